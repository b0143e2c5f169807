"""`python -m benchmarks.scores`: the time of metrics on given features against torch-fidelity's, and their difference.

Prints for each metric the processor time of both (of all threads together) and its ratio, ours over theirs, on normal
features of 2,048 dimensions behind a ReLU. Both begin with the features of two sets and end with the value; ours
finds the standard error as well, and neighbours also density and coverage. `--samples` chooses the size of the sets.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from experiments import cli
from lightning_gans.core.errors import UserError
from lightning_gans.metrics.frechet import FeatureStatistics, fid
from lightning_gans.metrics.kernel import kernel_distance
from lightning_gans.metrics.neighbours import neighbour_measures

METRICS = "fid", "kid", "neighbours"

Measure = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class Line:
    """Processor seconds of ours and theirs, and both values."""

    metric: str
    samples: int
    ours: float
    theirs: float
    value: float
    their_value: float

    def __str__(self) -> str:
        return (
            f"{self.metric} samples {self.samples} ours {self.ours:.2f} s theirs {self.theirs:.2f} s "
            f"ratio {self.ours / self.theirs:.3f} values {self.value:.7g} {self.their_value:.7g}"
        )


def features(n: int, dim: int) -> tuple[Tensor, Tensor]:
    """Real and generated features (n, dim) float32: correlated, not negative, of decaying variances."""
    draw = torch.Generator().manual_seed(0)
    decay = torch.exp(-4 * torch.arange(dim) / dim)

    def one(shift: float) -> Tensor:
        found: Tensor = (torch.randn(n, dim, generator=draw) * decay + shift) @ mix
        return found

    mix = torch.randn(dim, dim, generator=draw) / dim**0.5
    real, generated = one(0.0), one(0.01)
    return real.relu_(), generated.relu_()


def compare(metric: str, n: int, dim: int) -> Line:
    real, generated = features(n, dim)
    ours, theirs = {
        "fid": (_fid, _their_fid),
        "kid": (_kid, _their_kid),
        "neighbours": (_precision, _their_precision),
    }[metric]
    value, seconds = _timed(ours, real, generated)
    their_value, their_seconds = _timed(theirs, real, generated)
    return Line(metric, n, seconds, their_seconds, value, their_value)


def _timed(measure: Measure, real: Tensor, generated: Tensor) -> tuple[float, float]:
    start = time.process_time()
    value = measure(real, generated)
    return value, time.process_time() - start


def _fid(real: Tensor, generated: Tensor) -> float:
    return fid(FeatureStatistics.of(real), generated).value


def _their_fid(real: Tensor, generated: Tensor) -> float:
    from torch_fidelity import metric_fid

    statistics = [metric_fid.fid_features_to_statistics(x) for x in (real, generated)]
    return float(metric_fid.fid_statistics_to_metric(*statistics, verbose=False)[metric_fid.KEY_METRIC_FID])


def _kid(real: Tensor, generated: Tensor) -> float:
    return kernel_distance(real, generated).mean


def _their_kid(real: Tensor, generated: Tensor) -> float:
    from torch_fidelity import metric_kid

    found = metric_kid.kid_features_to_metric(
        real,
        generated,
        kid_subsets=100,
        kid_subset_size=min(1000, len(real)),
        kid_kernel="poly",
        kid_kernel_poly_degree=3,
        kid_kernel_poly_gamma=None,
        kid_kernel_poly_coef0=1.0,
        rng_seed=0,
        verbose=False,
    )
    return float(found[metric_kid.KEY_METRIC_KID_MEAN])


def _precision(real: Tensor, generated: Tensor) -> float:
    return neighbour_measures(real, generated).precision.value


def _their_precision(real: Tensor, generated: Tensor) -> float:
    from torch_fidelity import metric_prc

    found = metric_prc.prc_features_to_metric(
        generated, real, prc_neighborhood=3, prc_batch_size=10_000, save_cpu_ram=True, verbose=False
    )
    return float(found[metric_prc.KEY_METRIC_PRECISION])


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scores", description=__doc__)
    parser.add_argument("metrics", nargs="*", metavar="METRIC", help=f"{', '.join(METRICS)} (default all)")
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 5000], help="of each set (%(default)s)")
    parser.add_argument("--features", type=int, default=2048, help="(default %(default)s)")
    chosen = parser.parse_intermixed_args(argv)
    if find_spec("torch_fidelity") is None:
        raise UserError("This benchmark needs torch-fidelity. Type: pip install torch-fidelity")
    for metric in chosen.metrics:
        if metric not in METRICS:
            raise UserError(f"There is no metric {metric} to time. Choose of {', '.join(METRICS)}.")
    for n in chosen.samples:
        for metric in chosen.metrics or METRICS:
            print(compare(metric, n, chosen.features), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
