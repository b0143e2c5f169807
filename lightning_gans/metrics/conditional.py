"""Metrics of conditional samples: label accuracy, and the FID of each class (intra-FID)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from torch import Tensor

from lightning_gans.metrics.estimate import Estimate, share
from lightning_gans.metrics.frechet import FeatureStatistics, fid


@dataclass(frozen=True, eq=False)
class ClassReference:
    """Reference statistics of each class, for the intra-FID.

    statistics: statistics of the real samples of each class 0 .. K - 1.
    held_out: for each split, the labels (m,) of its held-out features.
    """

    statistics: Sequence[FeatureStatistics]
    held_out: Mapping[str, Tensor]


def label_accuracy(probabilities: Tensor, labels: Tensor) -> Estimate:
    """Share of samples whose predicted class, from probabilities (N, K), is the label (N,) of their generation."""
    return share(int((probabilities.argmax(1).cpu() == labels.cpu()).sum()), len(labels))


def intra_fid(real: Sequence[FeatureStatistics], features: Tensor, labels: Tensor) -> Estimate | None:
    """Mean over classes of the Frechet distance between a class's samples and its real ones (Miyato & Koyama 2018).

    Papers use 5,000 samples per class. With few, each covariance is singular and every distance biased upwards, so a
    value is comparable only with values from equal numbers of samples, such as its floor (real samples).

    Args:
        real: statistics of each class 0 .. K - 1.
        features, labels: of all samples, (N, d) and (N,).

    Returns:
        None if a class has fewer than two samples, real or generated.
    """
    labels = labels.cpu()
    made = [features[(labels == c).to(features.device)] for c in range(len(real))]
    if min(*map(len, made), *(statistics.n for statistics in real)) < 2:
        return None
    found = [fid(statistics, of) for statistics, of in zip(real, made, strict=True)]
    error = sqrt(sum(estimate.error**2 for estimate in found))
    return Estimate(sum(estimate.value for estimate in found) / len(real), error / len(real))
