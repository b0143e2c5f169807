"""`python -m benchmarks.neighbours`: nearest-neighbour baselines without training, for a run's `knn_accuracy`.

Prints the 1-NN accuracy on test of raw pixels, and of the untrained encoder's last hidden layer for a few seeds, for
the variant, network and data of a training command. Learnt features should exceed both.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

import torch

from experiments import cli
from experiments.jobs.preflight import preflight
from experiments.jobs.runner import make_game, quiet_libraries
from lightning_gans.core.errors import UserError
from lightning_gans.core.protocols import CalibratesOnSamples, Encodes
from lightning_gans.evaluation.splits import READ
from lightning_gans.metrics.representation import nearest_neighbour_accuracy
from lightning_gans.models.spec import build


def accuracy(features: Any, data: Any) -> float:
    """Return the 1-NN accuracy on test of `features`, samples (N, ...) -> (N, d), with neighbours from train."""
    (known, labels), (asked, expected) = (
        (torch.cat([features(batch.x).flatten(1) for batch in split.batches(READ)]), split.labels)
        for split in (data.split("train"), data.split("test"))
    )
    return nearest_neighbour_accuracy(known, labels, asked, expected)


def untrained(overrides: Sequence[str], seed: int, data: Any) -> float:
    """Return the accuracy of the untrained encoder, with batch statistics estimated from 1,024 training samples."""
    game = make_game(configuration([*overrides, f"seed={seed}"]))
    if not isinstance(game.model, Encodes):
        raise UserError(f"{type(game).__name__} has no encoder. Choose variant=bigan, or another that infers codes.")
    batches = data.iteration_batches(0, 1024 // data.batch_size, seed=seed, device="cpu")
    if isinstance(game.model, CalibratesOnSamples):
        game.model.calibrate_on(batch.x for batch in batches)
    return accuracy(game.model.features, data)


def configuration(overrides: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        (job,) = preflight([*overrides, "logger=none", "metrics=none", f"run_dir={folder}/run"])
    return job.config


def with_defaults(overrides: Sequence[str]) -> list[str]:
    """Add the permutation-invariant BiGAN, unless another variant or network is chosen."""
    chosen = {override.partition("=")[0] for override in overrides}
    variant = [] if chosen & {"variant", "experiment"} else ["variant=bigan"]
    network = [] if not variant or "network" in chosen else ["network=bigan_mlp"]
    return [*variant, *network, *overrides]


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbours", description=__doc__)
    parser.add_argument(
        "overrides", nargs="*", help="as experiments.train's; without them variant=bigan network=bigan_mlp"
    )
    parser.add_argument("--seeds", type=int, default=3, help="untrained encoders (default %(default)s)")
    chosen = parser.parse_intermixed_args(argv)
    quiet_libraries()
    overrides = with_defaults(chosen.overrides)
    data = build(configuration(overrides)["data"], trusted=True)
    print(f"knn_accuracy pixels {accuracy(lambda x: x, data):.4f}", flush=True)
    found = [untrained(overrides, seed, data) for seed in range(1, chosen.seeds + 1)]
    deviation = statistics.stdev(found) if len(found) > 1 else 0.0
    print(f"knn_accuracy untrained {statistics.fmean(found):.4f} +- {deviation:.4f} ({len(found)} seeds)")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
