"""The precision of a run: chosen when it begins, recorded in its configuration, and kept however it goes on.

`trainer.precision=null`, the default: bf16-mixed on CUDA, float32 elsewhere, so that the bytes of a run on a CPU do not
depend on the kind of CPU. `auto`: the fastest precision that is known to do no harm. Either is resolved once, to
`names.precision` of config.yaml.
"""

from collections.abc import Mapping
from typing import Any

from experiments.runs.resume import of_continued

# Recipes that run faster in bf16-mixed on a CPU with AVX512-BF16, and whose headline metric there was found within the
# noise of float32 over three seeds (docs/BENCHMARKS.md). trainer.precision=auto leaves others in float32 on CPUs.
CHECKED: Mapping[str, str] = {  # recipe -> choice of network
    "acgan/digits": "acgan",
    "cgan/digits": "cgan",
    "dcgan/digits": "dcgan",
    "infogan/digits": "infogan",
    "lsgan/digits": "dcgan",
    "projection/digits": "projection",
    "sngan/digits": "sngan",
    "vaegan/digits": "vaegan",
    "wgan/digits": "dcgan",
    "wgan_gp/digits": "wgan_gp",
}

RESOLVED = (None, "auto")  # values of trainer.precision that are resolved when a run begins
FEATURES = ("avx512_bf16", "amx_bf16")  # of a CPU: any of them multiplies bf16 faster than float32


def kept(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with the precision of the run that it continues, where the command leaves that open.

    Args:
        config: resolved and plain, with its `run_dir`.
    """
    stored = of_continued(config)
    if not stored:
        return dict(config)
    word, resolved = (stored.get("trainer") or {}).get("precision"), (stored.get("names") or {}).get("precision")
    said = config["trainer"]["precision"]
    if resolved is not None and said in (*RESOLVED, resolved):
        return _with(config, word, resolved)
    if resolved is None and said in RESOLVED:  # of an older version, whose auto is what null is now
        return _with(config, None if word in RESOLVED else word)
    return dict(config)


def resolved(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with `names.precision`, what Lightning's Trainer is given; imports torch."""
    word = config["trainer"]["precision"]
    known = config["names"].get("precision") if word in RESOLVED else None
    return _with(config, word, known or choose(word, config["trainer"]["accelerator"], checked=_is_checked(config)))


def choose(word: Any, accelerator: str, *, checked: bool = False) -> Any:
    """The precision that a value of trainer.precision means on this machine, for a recipe that was `checked` or not."""
    if word not in RESOLVED:
        return word
    import torch

    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    on_cpu = accelerator == "cpu" or (accelerator == "auto" and not torch.backends.mps.is_available())
    return "bf16-mixed" if word == "auto" and checked and on_cpu and fast_bf16() else "32-true"


def fast_bf16() -> bool:
    """Return True if this CPU has instructions for products of bf16."""
    import torch

    ask = getattr(torch.cpu, "get_capabilities", None)  # younger than the oldest torch that is supported
    return ask is not None and any(ask().get(feature, False) for feature in FEATURES)


def of_record(config: Mapping[str, Any]) -> str:
    """A run's precision in a study's record: auto where the command left it open, as records have always had it."""
    word = config["trainer"]["precision"]
    if word == "auto":
        return str((config.get("names") or {}).get("precision", word))
    return "auto" if word is None else str(word)


def _is_checked(config: Mapping[str, Any]) -> bool:
    """Return True if the run has a recipe of `CHECKED`, with its networks."""
    names = config["names"]
    network = CHECKED.get(str(names.get("recipe")))
    return network is not None and (names.get("choices") or {}).get("network") == network


def _with(config: Mapping[str, Any], word: Any, resolved: Any = None) -> dict[str, Any]:
    names = {key: value for key, value in config["names"].items() if key != "precision"}
    if resolved is not None:
        names["precision"] = resolved
    return {**config, "trainer": {**config["trainer"], "precision": word}, "names": names}
