"""`python -m benchmarks.step`: our training step against a bare PyTorch loop, and a run against the common way.

Both sides take turns in one process, block by block: ours inside Lightning's own loop with a run's callbacks and log,
the other one between our blocks. docs/BENCHMARKS.md explains the figures.
"""

import argparse
import io
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
from rich.console import Console

from benchmarks.loops import BareLoop, CommonLoop, PictureDigits
from experiments.jobs.preflight import preflight
from experiments.jobs.runner import make_game, make_trainer, quiet_libraries
from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.callbacks.collapse import CollapseWatch
from lightning_gans.callbacks.grids import SampleGrids
from lightning_gans.callbacks.progress import Progress
from lightning_gans.callbacks.stop import GracefulStop
from lightning_gans.callbacks.summary import RunSummary
from lightning_gans.callbacks.training_log import TrainingLog
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.interruption import Interruption
from lightning_gans.core.prior import Normal
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.models.spec import build
from lightning_gans.variants.vanilla import GAN

NEVER = 10**7  # iterations: longer than any measurement
WARM_UP = 2  # rounds before the measurement


# The other sides: each is created from our game before training, and returns a function that runs one block


def bare(trainer: pl.Trainer, game: GAN, block: int) -> Callable[[], object]:
    """Return a block of the hand-written loop."""
    settings, prior = game.training_settings, game.model.prior
    if (
        not isinstance(game.loss, NonSaturating)
        or not isinstance(prior, Normal)
        or game.penalty is not None
        or game.discriminator_steps != 1
        or settings.ema_half_life is None
        or any(player.clip_norm is not None for player in settings.players.values())
    ):
        raise UserError("The bare loop does not do what this recipe asks for; write it there too.")
    split = trainer.datamodule.split("train")  # type: ignore[attr-defined]
    loop = BareLoop(
        generator=game.model.generator,
        discriminator=game.discriminator,
        augment=game.augment,
        settings=settings.players,
        real=next(split.batches(len(split))).x.to(game.device),
        batch=settings.batch_size,
        latent_dim=prior.dim,
        ema_half_life=settings.ema_half_life,
        autocast=torch.bfloat16 if trainer.precision == "bf16-mixed" else None,
    )
    return lambda: loop.run(block)


def common(trainer: pl.Trainer, game: GAN, block: int, *, workers: int = 2) -> Callable[[], object]:
    """Return a block of the common loop, one epoch; its workers start and end with the epoch."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    channels, size, _ = data.sample_shape
    adam = game.training_settings.players["D"].optimizer.keywords  # type: ignore[union-attr]
    return CommonLoop(
        generator=game.model.generator,
        discriminator=game.discriminator,
        lr=adam["lr"],
        betas=adam["betas"],
        data=PictureDigits(len(data.split("train")), image_size=size, channels=channels),
        batch=game.training_settings.batch_size,
        latent_dim=game.model.prior.dim,
        device=game.device,
        workers=workers,
    ).run


class Case(NamedTuple):
    """One comparison.

    overrides: of `experiments.train`.
    other, name: the other side.
    block: iterations of a turn; 0: an epoch.
    figure: of our time to the other's: "ratio", "speedup" (its inverse), "overhead_ms" (difference, an iteration).
    bar: what the figure has to keep to, if anything; a speedup is at least that, the others are at most that.
    """

    overrides: Sequence[str]
    other: Callable[[pl.Trainer, GAN, int], Callable[[], object]]
    name: str
    block: int
    figure: Literal["ratio", "speedup", "overhead_ms"]
    bar: float | None = None


CASES = {
    "dcgan32": Case(["variant=dcgan", "data.image_size=32"], bare, "bare", 5, "ratio", 1.05),
    "ring": Case(["variant=vanilla", "data=ring"], bare, "bare", 100, "overhead_ms", 1.0),
    "end_to_end": Case(["variant=dcgan"], common, "common", 0, "speedup", 2.0),
    "end_to_end_mlp": Case(["variant=vanilla"], common, "common", 0, "speedup"),
    "end_to_end_without_workers": Case(["variant=dcgan"], partial(common, workers=0), "common", 0, "speedup"),
}


class Turns(pl.Callback):
    """Callback that times the trainer's iterations in blocks, each followed by a block of the other side.

    A block covers everything from the end of one turn to the next. `ours`, `other`: seconds per iteration, by block.
    """

    def __init__(self, case: Case, *, seconds: float, rounds: int, clock: Callable[[], float]) -> None:
        self.case, self.block, self.seconds, self.rounds, self.clock = case, case.block, seconds, rounds, clock
        self.ours: list[float] = []
        self.other: list[float] = []
        self._count = -WARM_UP

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, GAN)
        samples = len(trainer.datamodule.split("train"))  # type: ignore[attr-defined]
        self.block = self.block or samples // pl_module.training_settings.batch_size
        self._run_other = self.case.other(trainer, pl_module, self.block)
        self._first = self._start = self.clock()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, GAN)
        if pl_module.iteration % self.block:
            return
        middle = self.clock()
        self._run_other()
        end = self.clock()
        self._count += 1
        if self._count > 0:
            self.ours.append((middle - self._start) / self.block)
            self.other.append((end - middle) / self.block)
            trainer.should_stop = self._count >= self.rounds and end - self._first >= self.seconds
        else:
            self._first = end
        self._start = end


class Terminal(io.StringIO):
    """Hidden stream for the progress bar."""

    def isatty(self) -> bool:
        return True


def wall_time() -> float:
    """Synchronise the device; return the time in seconds."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def fit(
    overrides: Sequence[str],
    turns: pl.Callback,
    *,
    threads: int | None,
    change: Callable[[Game], Game] | None = None,
    bar: bool = True,
) -> Game:
    """Train as the command does, in a temporary run directory, until `turns` stops the run.

    Args:
        overrides: of `experiments.train`.
        change: the game that is trained, made of that of the configuration.
        bar: draw the progress bar, unseen.
    """
    with tempfile.TemporaryDirectory() as folder, Terminal() as terminal:
        fixed = f"iterations={NEVER}", "logger=none", "metrics=none", f"run_dir={folder}/run"
        (job,) = preflight([*overrides, *fixed])
        trainer_settings = job.config["trainer"]
        torch.set_num_threads(threads or trainer_settings["threads"] or THREADS)
        game, data = make_game(job.config), build(job.config["data"], trusted=True)
        if change is not None:
            game = change(game)
        callbacks = [
            GracefulStop(Interruption()),
            TrainingLog(every=trainer_settings["log_every"]),
            SampleGrids(every=NEVER),
            CollapseWatch(),
            RunSummary(),
            *([Progress(console=Console(file=terminal, force_terminal=True))] if bar else []),
            Checkpoints(every=NEVER, minutes=NEVER, spec=job.config["variant"]["model"]),
            turns,
        ]
        make_trainer(trainer_settings, Path(folder, "run"), callbacks, []).fit(game, datamodule=data)
        return game


def measure(case: Case, *, threads: int | None, **turns_settings: Any) -> tuple[Turns, int]:
    """Run one comparison; return its timings and the images per iteration."""
    turns = Turns(case, **turns_settings)
    game = fit(case.overrides, turns, threads=threads)
    return turns, game.training_settings.batch_size


THREADS = torch.get_num_threads()


def report(name: str, case: Case, turns: Turns, batch: int) -> bool:
    """Print one comparison; return True if its bar is met."""
    print(f"{name}: {len(turns.ours)} rounds of {turns.block} iterations, {torch.get_num_threads()} threads")
    for side, seconds in (("ours", turns.ours), (case.name, turns.other)):
        low, middle, high = (1e3 * value for value in statistics.quantiles(seconds, n=4))
        mean = 1e3 * statistics.fmean(seconds)
        print(f"  {side:6} median {middle:.3f} ms, quartiles {low:.3f} to {high:.3f}, mean {mean:.3f}")
        print(f"images_per_second {name} {side} {batch / middle * 1e3:.1f}")
    ours, other = statistics.median(turns.ours), statistics.median(turns.other)
    figure = {"ratio": ours / other, "speedup": other / ours, "overhead_ms": 1e3 * (ours - other)}[case.figure]
    print(f"{case.figure} {name} {figure:.4f}", flush=True)
    if case.bar is None:
        return True
    return figure >= case.bar if case.figure == "speedup" else figure <= case.bar


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; return 1 if `--check` was given and a bar was missed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--seconds", type=float, default=30, help="of each comparison, at least (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="of each comparison, at least (default %(default)s)")
    parser.add_argument("--threads", type=int, help="CPU threads (default: the recipe's)")
    parser.add_argument(
        "--cpu-time", action="store_true", help="count CPU seconds: for a busy machine, with one thread"
    )
    parser.add_argument("--quick", action="store_true", help="two rounds of each: does it run?")
    parser.add_argument("--check", action="store_true", help="fail where a bar is missed")
    chosen = parser.parse_args(argv)
    if unknown := [name for name in chosen.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    seconds, rounds = (0, 2) if chosen.quick else (chosen.seconds, chosen.rounds)
    clock = time.process_time if chosen.cpu_time else wall_time
    quiet_libraries()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU {platform.machine()}"
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, {device}, {os.cpu_count()} cores, load average {load:.1f}", flush=True)
    missed = []
    for name in chosen.cases or CASES:
        case = CASES[name]
        turns, batch = measure(case, threads=chosen.threads, seconds=seconds, rounds=rounds, clock=clock)
        if not report(name, case, turns, batch):
            missed.append(f"{case.figure} {name}: the bar is {case.bar}")
    for line in missed:
        print(f"missed {line}")
    return int(bool(missed) and chosen.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
