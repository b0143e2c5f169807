"""`python -m benchmarks.peers`: our step against other libraries' and against the lower bound of a bare loop.

All sides take turns in one process, block by block, and CPU seconds of one thread are counted, so that other work on
the machine matters little. The progress bar is left out, because it is drawn ten times a second of wall time even on a
busy machine. In lines `limit NAME RATIO`, the ratio is our time over the limit's; in lines `peer NAME RATIO`, it is the
peer's time over ours. docs/BENCHMARKS.md explains the figures.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor

from benchmarks.limit_loops import Limit
from benchmarks.peer_loops import Mimicry, PlainDiscriminator, PlainGenerator, Pythae, PyTorchGAN
from benchmarks.step import fit
from experiments.jobs.runner import quiet_libraries
from lightning_gans.core.game import Game
from lightning_gans.core.prior import Normal
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.variants.vanilla import GAN

WARM_UP = 1  # rounds before the measurement
Side = Callable[[], object]  # runs one block


class Case(NamedTuple):
    """One comparison.

    overrides: overrides of `experiments.train`, without precision.
    peer: the training set -> the peer's block.
    block: number of our iterations in a block; `blocks` blocks of the other sides correspond to one of ours.
    bar: upper bound of the ratio to the limit.
    change: function from the configured game to the trained one.
    narrow: the peer's block on networks of 8 channels, for a quick check; None: its networks are small.
    """

    overrides: Sequence[str]
    peer: Callable[[Tensor], Side]
    block: int
    blocks: int
    bar: float
    change: Callable[[Game], Game] | None = None
    narrow: Callable[[Tensor], Side] | None = None


BATCH = 64
PLAIN = ("data=digits", "recipe=none", f"data.batch_size={BATCH}", "trainer.threads=1")
DIGITS = (*PLAIN, "augment=none")
RGB = (*DIGITS, "data.image_size=32", "data.channels=3", "variant.training.ema_half_life=10000")
WIDE = ("network.model.generator.width=256", "network.discriminator.pool=sum")


def of_mimicry(overrides: Sequence[str], kind: Any, *, width: tuple[int, int], bar: float) -> Case:
    """Return a comparison with mimicry's networks; a block is 5 steps of D and one of G."""

    def peer(real: Tensor, width: tuple[int, int] = width) -> Side:
        return Mimicry(kind, width=width, real=real, batch=BATCH).run

    return Case(overrides, peer, block=5, blocks=1, bar=bar, narrow=partial(peer, width=(8, 8)))


def of_pytorch_gan(game: Game) -> Game:
    """Return the game with PyTorch-GAN's own networks."""
    assert isinstance(game, GAN)
    model = GenerativeModel(generator=PlainGenerator(1), prior=Normal(dim=100))
    ours = GAN(model=model, discriminator=PlainDiscriminator(1), loss=game.loss, training=game.training_settings)
    return ours.to(memory_format=torch.channels_last)


CASES = {
    "sngan": of_mimicry(["variant=sngan", "variant.generator_batches=1", *RGB], "hinge", width=(256, 128), bar=1.05),
    "dcgan_resnet": of_mimicry(
        ["variant=vanilla", "network=resnet", *WIDE, "variant.discriminator_steps=5", *RGB],
        "softplus",
        width=(256, 128),
        bar=1.05,
    ),
    "wgan_gp": of_mimicry(["variant=wgan_gp", "network=resnet", *RGB], "wasserstein", width=(128, 128), bar=1.10),
    "pytorch_gan": Case(
        ["variant=dcgan", *DIGITS, "data.image_size=32", "data.channels=1"],
        lambda real: PyTorchGAN(real=real, batch=BATCH).run,
        10,
        10,
        1.05,
        of_pytorch_gan,
    ),
    "vae": Case(
        ["variant=vae", "network=vae_mlp", *PLAIN, "data.image_size=32"],
        lambda real: Pythae(real=(real + 1) / 2, batch=BATCH).run,
        20,
        20,
        1.05,
    ),
}


class Rounds(pl.Callback):
    """Callback that times the trainer's iterations in blocks, and a block of every other side after each.

    seconds: duration of a block, by side and round.
    """

    def __init__(self, case: Case, *, autocast: torch.dtype | None, rounds: int) -> None:
        self.case, self.autocast, self.rounds = case, autocast, rounds
        self.seconds: dict[str, list[float]] = {}
        self._count = -WARM_UP

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        split = trainer.datamodule.split("train")  # type: ignore[attr-defined]
        real = next(split.batches(len(split))).x.to(pl_module.device)
        limit = Limit(pl_module, real=real.to(memory_format=torch.channels_last), autocast=self.autocast)
        self.sides: Mapping[str, Side] = {"limit": limit.run, "peer": self.case.peer(real)}
        self.seconds = {side: [] for side in ("ours", *self.sides)}
        self._start = time.process_time()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        assert isinstance(pl_module, Game)
        if pl_module.iteration % self.case.block:
            return
        ends = {"ours": time.process_time()}
        for side, run in self.sides.items():
            for _ in range(self.case.blocks):
                run()
            ends[side] = time.process_time()
        self._count += 1
        if self._count > 0:
            start = self._start
            for side, end in ends.items():
                self.seconds[side].append(end - start)
                start = end
            trainer.should_stop = self._count >= self.rounds
        self._start = time.process_time()


def report(name: str, case: Case, rounds: Rounds) -> float:
    """Print one comparison; return the ratio to the limit."""
    medians = {side: statistics.median(seconds) for side, seconds in rounds.seconds.items()}
    print(f"{name}: {len(rounds.seconds['ours'])} rounds of {case.block} iterations")
    for side, seconds in rounds.seconds.items():
        print(f"  {side:6} {medians[side]:.4f} s a round, {min(seconds):.4f} to {max(seconds):.4f}")
    print(f"peer {name} {medians['peer'] / medians['ours']:.3f}")
    ratio = medians["ours"] / medians["limit"]
    print(f"limit {name} {ratio:.3f}", flush=True)
    return ratio


def main(argv: Sequence[str]) -> int:
    """Run the benchmark; return 1 if `--check` was given and a bar was missed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    parser.add_argument("--rounds", type=int, default=7, help="of each comparison (default %(default)s)")
    parser.add_argument(
        "--precision",
        choices=["bf16-mixed", "32-true"],
        nargs="+",
        default=["bf16-mixed", "32-true"],
        help="of ours and of the limit; the peers are in float32 (default: both)",
    )
    parser.add_argument("--quick", action="store_true", help="one round of narrow networks: does it run?")
    parser.add_argument("--check", action="store_true", help="fail where a bar is missed")
    chosen = parser.parse_args(argv)
    if unknown := [name for name in chosen.cases if name not in CASES]:
        parser.error(f"no such case: {', '.join(unknown)}")
    quiet_libraries()
    print(f"torch {torch.__version__}, CPU {platform.machine()}, one thread, load average {os.getloadavg()[0]:.1f}")
    missed = []
    for name in chosen.cases or CASES:
        for precision in chosen.precision:
            case = narrow(CASES[name]) if chosen.quick else CASES[name]
            mixed = torch.bfloat16 if precision == "bf16-mixed" else None
            rounds = Rounds(case, autocast=mixed, rounds=1 if chosen.quick else chosen.rounds)
            fit([*case.overrides, f"trainer.precision={precision}"], rounds, threads=1, change=case.change, bar=False)
            label = f"{name}_{'bf16' if mixed else 'fp32'}"
            ratio = report(label, case, rounds)
            if ratio > case.bar:
                missed.append(f"limit {label}: the bar is {case.bar}")
    for line in missed:
        print(f"missed {line}")
    return int(bool(missed) and chosen.check)


def narrow(case: Case) -> Case:
    """Return the comparison on tiny networks."""
    if case.narrow is None:
        return case
    overrides = [line for line in case.overrides if "width=" not in line]
    widths = "network.model.generator.width=8", "network.discriminator.width=8"
    return case._replace(overrides=[*overrides, *widths], peer=case.narrow)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
