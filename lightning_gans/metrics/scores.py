"""Sample-quality metrics of generated samples against real ones, from one pass over their features."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.frechet import FeatureStatistics, fid
from lightning_gans.metrics.inception import inception_score
from lightning_gans.metrics.kernel import kernel_distance
from lightning_gans.metrics.neighbours import Manifold, neighbour_measures
from lightning_gans.metrics.order import canonical_order

NEIGHBOURS = 10_000  # largest number of samples of each set for distances
LEAST = 5  # neighbours of the widest ball: sets must be larger


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference: real samples with which generated samples are compared.

    statistics: statistics of all real samples.
    features: (N, d) float32 of the real samples, or of a stored part; (0, d) if only statistics are known.
    probabilities: (N, K) of the same samples, if the extractor classifies.
    """

    statistics: FeatureStatistics
    features: Tensor
    probabilities: Tensor | None = None
    _manifolds: dict[int, Manifold] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, features: Tensor, probabilities: Tensor | None = None) -> "Reference":
        """Create the reference from features (N, d)."""
        kept = None if probabilities is None else probabilities.detach().cpu()
        return cls(FeatureStatistics.of(features), features.detach().cpu(), kept)

    def manifold(self, n: int) -> Manifold:
        """Neighbourhoods of `n` random real samples, or of all stored ones if there are fewer; computed once."""
        n = min(n, len(self.features), NEIGHBOURS)
        if n not in self._manifolds:
            self._manifolds[n] = Manifold.of(self.features[canonical_order(self.features)[:n]])
        return self._manifolds[n]


def distribution_scores(
    real: Reference, features: Tensor, probabilities: Tensor | None = None
) -> Mapping[str, Estimate | float]:
    """Compute all metrics of features (N, d) against `real`, in float64, each with its standard error.

    `fid`; `kid` and `kid_std`, over subsets; `precision` and `recall` (k = 3), `density` and `coverage` (k = 5) against
    as many real samples, at most 10,000; with class probabilities (N, K) `is` and `is_std`, over ten splits. If only
    statistics of the real samples are known, only `fid` and `is`; with fewer than 6 samples in a set, no neighbours.

    Warns if there are fewer samples than features. The metrics do not depend on the order of the samples; equal
    features in equal order give equal bits.

    Raises:
        ValueError: fewer than two samples, or features that are not finite.
    """
    n, dim = features.shape
    if n < dim:
        warnings.warn(
            f"FID of fewer samples ({n}) than features ({dim}) is biased upward. Compare it with figures of the same "
            "number of samples alone, or take more samples.",
            stacklevel=2,
        )
    scores: dict[str, Estimate | float] = {"fid": fid(real.statistics, features)}
    if len(real.features):
        kid = kernel_distance(real.features, features)
        scores |= {"kid": Estimate(kid.mean, kid.error), "kid_std": kid.std}
        compared = min(n, len(real.features), NEIGHBOURS)
        if compared > LEAST:
            generated = features if compared == n else features[canonical_order(features)[:compared]]
            found = neighbour_measures(real.manifold(compared), generated)
            scores |= found._asdict()
    if probabilities is not None:
        inception = inception_score(probabilities)
        scores |= {"is": Estimate(inception.mean, inception.error), "is_std": inception.std}
    return scores
