"""FID, KID and Inception Score of one set of generated samples, from one pass over their features."""

from dataclasses import dataclass

from torch import Tensor

from lightning_gans.metrics.frechet import FeatureStatistics, frechet_distance
from lightning_gans.metrics.inception import inception_score
from lightning_gans.metrics.kernel import kernel_distance


@dataclass(frozen=True, eq=False)
class Reference:
    """What generated samples are measured against.

    statistics: of all real samples. features: (N, d) float32 of the real samples, or of as many as are kept.
    """

    statistics: FeatureStatistics
    features: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "Reference":
        """The reference that consists of features (N, d)."""
        return cls(FeatureStatistics.of(features), features.detach().cpu())


def distribution_scores(real: Reference, features: Tensor, probabilities: Tensor | None = None) -> dict[str, float]:
    """`fid`, `kid`, `kid_std` and, with class probabilities (N, K), `is`, `is_std` of features (N, d), in float64.

    Rows are in global sample order. Sums run over fixed rows and draws are fixed, so equal features give equal scores
    to the last bit, however many batches or processes they came from.

    Raises:
        ValueError: fewer than two samples.
    """
    kid = kernel_distance(real.features, features)
    scores = {
        "fid": frechet_distance(real.statistics, FeatureStatistics.of(features)),
        "kid": kid.mean,
        "kid_std": kid.std,
    }
    if probabilities is not None:
        inception = inception_score(probabilities)
        scores |= {"is": inception.mean, "is_std": inception.std}
    return scores
