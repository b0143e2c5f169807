"""`python -m benchmarks.memory`: check that a run's memory does not grow with its iterations.

Trains a GAN, a CycleGAN and an energy-based model for 10,000 iterations on tiny networks, inside Lightning's loop with
a run's callbacks and log, and reads the resident memory of the process regularly. `growth NAME SHARE` is the last
reading over that at a tenth of the run, when caches, pools and buffers are full, minus one; the limit is 0.02.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl

from benchmarks.step import fit
from experiments.jobs.runner import quiet_libraries
from lightning_gans.core.game import Game

BAR = 0.02
READINGS = 20
TINY = "network.discriminator.width=16", "network.discriminator.depth=2", "data.batch_size=16"
CASES = {
    "gan": ["variant=vanilla", "data=ring", "network.model.generator.width=16", *TINY],
    "cyclegan": [
        "variant=cyclegan",
        "data.image_size=8",
        "data.batch_size=1",
        "network.translator.width=4",
        "network.translator.blocks=1",
        "network.discriminator.width=4",
        "network.discriminator.layers=1",
    ],
    "energy": ["variant=energy", "data=ring", "variant.steps=3", *TINY],
}


def resident() -> float:
    """Return the resident memory of this process in MB (Linux only)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class Readings(pl.Callback):
    """Callback that reads the memory every `every` iterations, and stops the run after `iterations`."""

    def __init__(self, iterations: int) -> None:
        self.iterations, self.every = iterations, max(iterations // READINGS, 1)
        self.megabytes: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        assert isinstance(pl_module, Game)
        if pl_module.iteration % self.every == 0:
            self.megabytes.append(resident())
        trainer.should_stop = pl_module.iteration >= self.iterations

    @property
    def growth(self) -> float:
        """Return the growth from a tenth of the run to its end."""
        return self.megabytes[-1] / self.megabytes[max(READINGS // 10 - 1, 0)] - 1


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; return 1 if `--check` was given and memory grew beyond the limit, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--iterations", type=int, default=10_000, help="of each run (default %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a hundred iterations of each: does it run?")
    parser.add_argument("--check", action="store_true", help="fail where memory grows beyond the bar")
    chosen = parser.parse_args(argv)
    if unknown := [name for name in chosen.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    quiet_libraries()
    missed = []
    for name in chosen.cases or CASES:
        readings = Readings(100 if chosen.quick else chosen.iterations)
        fit(CASES[name], readings, threads=1)
        told = " ".join(f"{value:.1f}" for value in readings.megabytes)
        print(f"{name}: MB every {readings.every} iterations: {told}")
        print(f"growth {name} {readings.growth:.4f}", flush=True)
        if readings.growth > BAR:
            missed.append(f"growth {name}: the bar is {BAR}")
    for line in missed:
        print(f"missed {line}")
    return int(bool(missed) and chosen.check)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
