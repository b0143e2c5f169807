"""`python -m benchmarks.scores`: CPU time of our metrics and torch-fidelity's, on the same features.

Prints, for KID, FID (features to distance) and precision with recall, the seconds of both and their ratio: medians over
repeats that take turns in one process. Ours have standard errors in the same time, and density and coverage beside
precision and recall. `--check` fails where the ratio of KID or FID is above 1.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from experiments import cli
from lightning_gans.core.errors import UserError
from lightning_gans.metrics.frechet import FeatureStatistics, fid
from lightning_gans.metrics.kernel import kernel_distance
from lightning_gans.metrics.neighbours import neighbour_measures

BARS = {"kid": 1.0, "fid": 1.0}
Pair = tuple[str, Callable[[], object], Callable[[], object]]


def pairs(n: int, d: int) -> Iterator[Pair]:
    """Yield (name, our metric, torch-fidelity's), on n features of d numbers distributed as after a ReLU."""
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_kid import kid_features_to_metric
    from torch_fidelity.metric_prc import prc_features_to_metric

    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, d, generator=generator).mul(scale).relu() for scale in (1.0, 1.1))

    def theirs(x: Tensor, y: Tensor) -> object:
        return fid_statistics_to_metric(fid_features_to_statistics(x), fid_features_to_statistics(y), False)

    yield (
        "kid",
        lambda: kernel_distance(a, b),
        lambda: kid_features_to_metric(a, b, kid_subset_size=min(n, 1000), verbose=False),
    )
    yield "fid", lambda: fid(FeatureStatistics.of(a), b), lambda: theirs(a, b)
    yield (
        "precision_recall",
        lambda: neighbour_measures(a, b),
        lambda: prc_features_to_metric(a, b, save_cpu_ram=False, verbose=False),
    )


def seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scores", description=__doc__)
    parser.add_argument("--samples", type=int, default=1000, help="features in each set (default %(default)s)")
    parser.add_argument("--features", type=int, default=2048, help="numbers of a feature (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="of each (default %(default)s)")
    parser.add_argument("--check", action="store_true", help="fail where a ratio is above its bar")
    chosen = parser.parse_args(argv)
    torch.set_num_threads(1)
    above = []
    for name, ours, theirs in pairs(chosen.samples, chosen.features):
        taken = [(seconds(ours), seconds(theirs)) for _ in range(chosen.repeats)]
        ratio = statistics.median(a / b for a, b in taken)
        mine, other = (statistics.median(column) for column in zip(*taken, strict=True))
        print(f"ratio {name} {chosen.samples}x{chosen.features}: {mine:.3f} s, {other:.3f} s, {ratio:.2f}", flush=True)
        above += [name] if ratio > BARS.get(name, ratio) else []
    if chosen.check and above:
        raise UserError(f"Slower than torch-fidelity: {', '.join(above)}.")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
