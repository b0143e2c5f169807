"""Suggestions of the nearest known names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher

ALIKE = 0.6

# Names of settings in other programs, and the last parts of the names used here.
ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "iterations": (
        *("epochs", "max_epochs", "num_epochs", "n_epochs", "steps", "max_steps", "num_steps", "total_steps"),
        *("train_steps", "max_iter", "max_iters", "niter", "kimg"),
    ),
    "optimizer.lr": ("lr", "learning_rate", "base_lr"),
    "data.batch_size": ("batch_size", "batch", "bs", "train_batch_size"),
    "data.image_size": ("image_size", "img_size", "resolution", "imsize"),
    "data.workers": ("workers", "num_workers", "n_workers"),
    "data.root": ("root", "data_root", "dataroot", "data_path", "folder", "train_dir"),
    "trainer.devices": ("device", "devices", "gpus", "gpu", "num_gpus", "n_gpus", "ngpu"),
    "trainer.accelerator": ("accelerator", "device", "cuda", "cpu"),
    "trainer.precision": ("precision", "fp16", "bf16", "amp"),
    "trainer.threads": ("threads", "num_threads"),
    "run_dir": (
        *("out", "outdir", "out_dir", "output", "output_dir", "save_dir", "log_dir", "logdir", "default_root_dir"),
    ),
    "seed": ("random_seed", "manual_seed"),
    "resume": ("checkpoint", "ckpt_path", "ckpt", "resume_from"),
    "data": ("dataset", "datamodule"),
    "variant": ("model", "gan", "arch", "algorithm"),
    "objective": ("loss", "gan_mode", "criterion"),
    "trainer.max_time": ("max_time", "time_limit"),
}


def nearest(name: str, names: Iterable[str], *, most: int = 3) -> list[str]:
    """Return up to `most` of `names` that resemble `name`, the likeliest first."""
    scores = {other: _likeness(_bare(name), _bare(other)) for other in names}
    return _best(scores, most)


def nearest_keys(key: str, keys: Iterable[str], *, most: int = 3) -> list[str]:
    """Return the dotted `keys` that other programs call `key`; otherwise up to `most` keys that resemble it.

    The similarity depends mainly on the last part of a key, and a little on the parts before it.
    """
    keys = [*keys]
    if named := [*_elsewhere(key, keys)]:
        return named
    place, _, last = key.rpartition(".")
    scores = {}
    for other in keys:
        other_place, _, other_last = other.rpartition(".")
        alike = _likeness(_bare(last), _bare(other_last))
        beside = 0.2 * _likeness(place, other_place) - 0.02 * abs(key.count(".") - other.count("."))
        scores[other] = alike + beside if alike >= ALIKE else 0.0
    return _best(scores, most)


def _elsewhere(key: str, keys: Sequence[str]) -> Iterator[str]:
    for ours, names in ELSEWHERE.items():
        if key.replace("-", "_") in names:
            yield from (other for other in keys if other == ours or other.endswith(f".{ours}"))


def did_you_mean(names: Iterable[str]) -> str:
    """Return a sentence with suggestions; empty without any."""
    names = list(names)
    return f" Did you mean {' or '.join(names)}?" if names else ""


def _best(scores: dict[str, float], most: int) -> list[str]:
    ranked = sorted((name for name in scores if scores[name] >= ALIKE), key=lambda name: (-scores[name], name))
    # Matches far worse than the best one are noise.
    return [name for name in ranked if scores[name] >= scores[ranked[0]] - 0.15][:most]


def _likeness(a: str, b: str) -> float:
    return SequenceMatcher(None, a, b).ratio()


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
