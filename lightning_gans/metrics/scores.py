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

NEIGHBOURS = 10_000  # samples of each set whose distances are measured
LEAST = 5  # neighbours of the widest ball: sets have to be larger


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference: real samples that generated ones are compared with.

    statistics: of all real samples.
    features: (N, d) float32 of the real samples, or of as many as are kept; (0, d) where only statistics are known.
    probabilities: (N, K) of the same samples, where the extractor classifies.
    """

    statistics: FeatureStatistics
    features: Tensor
    probabilities: Tensor | None = None
    _manifolds: dict[int, Manifold] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, features: Tensor, probabilities: Tensor | None = None) -> "Reference":
        """The reference that consists of features (N, d)."""
        kept = None if probabilities is None else probabilities.detach().cpu()
        return cls(FeatureStatistics.of(features), features.detach().cpu(), kept)

    def manifold(self, n: int) -> Manifold:
        """The neighbourhoods of `n` random real samples, of all that are kept if there are fewer; found once."""
        n = min(n, len(self.features), NEIGHBOURS)
        if n not in self._manifolds:
            self._manifolds[n] = Manifold.of(self.features[canonical_order(self.features)[:n]])
        return self._manifolds[n]


def distribution_scores(
    real: Reference, features: Tensor, probabilities: Tensor | None = None
) -> Mapping[str, Estimate | float]:
    """Compute all metrics of features (N, d) against `real`, in float64, each with its standard error.

    `fid`; `kid` and `kid_std`, over subsets; `precision` and `recall` (k = 3), `density` and `coverage` (k = 5) against
    as many real samples, at most 10,000; with class probabilities (N, K) `is` and `is_std`, over ten splits. Where only
    statistics of the real samples are known, `fid` and `is` alone; without 6 samples in both sets, no neighbours.

    Warns where there are fewer samples than features. The metrics depend on the samples, not on their order; equal
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
