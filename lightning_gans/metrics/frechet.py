"""The Frechet distance of two sets of features, taken as Gaussian (FID: Heusel et al. 2017, 1706.08500)."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_ROWS = 4096  # rows turned to float64 at a time; fixed, so that the sums do not depend on how features arrived


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Count, mean and scatter of a set of features, float64 on the CPU: all that the Frechet distance needs.

    n: number of samples.
    mean: (d,).
    scatter: (d, d), the sum over samples of the outer product of their deviation from the mean. Sums of deviations,
        not of squares: a large common mean costs no digits.
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @classmethod
    def empty(cls, dim: int) -> "FeatureStatistics":
        """The statistics of no samples: what `merge` starts from."""
        return cls(0, torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dim, dtype=torch.float64))

    @classmethod
    def of(cls, features: Tensor) -> "FeatureStatistics":
        """Statistics of features (N, d) of any float type."""
        if features.dim() != 2:
            raise ValueError(f"Features are (N, d); these have shape {tuple(features.shape)}.")
        result = cls.empty(features.shape[1])
        for rows in features.detach().cpu().split(_ROWS):
            if len(rows):
                exact = rows.double()
                mean = exact.mean(0)
                deviation = exact - mean
                result = result.merge(cls(len(rows), mean, deviation.T @ deviation))
        return result

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """The statistics of both sets together (Chan, Golub, LeVeque 1979): one call a batch, or one a process."""
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.n / n)
        scatter = self.scatter + other.scatter + torch.outer(shift, shift) * (self.n * other.n / n)
        return FeatureStatistics(n, mean, scatter)

    @property
    def cov(self) -> Tensor:
        """(d, d) unbiased covariance.

        Raises:
            ValueError: fewer than two samples.
        """
        if self.n < 2:
            raise ValueError(f"A covariance needs at least 2 samples; there are {self.n}.")
        return self.scatter / (self.n - 1)

    @cached_property
    def factor(self) -> Tensor:
        """(d, r) F with F F^T = cov, r its rank; directions of no more than rounding error are left out."""
        values, vectors = torch.linalg.eigh(self.cov)
        kept = values > values[-1] * len(values) * torch.finfo(torch.float64).eps
        factor: Tensor = vectors[:, kept] * values[kept].sqrt()
        return factor

    @property
    def finite(self) -> bool:
        """Whether no NaN or infinity came in."""
        return bool(self.mean.isfinite().all() and self.scatter.isfinite().all())


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """||mu_a - mu_b||^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in float64; NaN where the features are not finite.

    With S_a = F F^T and S_b = G G^T the last trace is the nuclear norm of F^T G. Its singular values are exact to
    rounding, where the square root of the eigenvalues of S_a S_b keeps half the digits of the small ones: singular
    covariances (fewer samples than features) need no offset, and the distance of a set to itself is 0.

    Raises:
        ValueError: fewer than two samples in a set, or different feature counts.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"Both sets need the same features; they have {len(a.mean)} and {len(b.mean)}.")
    if not (a.finite and b.finite):
        return float("nan")
    cross = torch.linalg.svdvals(a.factor.T @ b.factor).sum()
    distance = (a.mean - b.mean).square().sum() + a.cov.trace() + b.cov.trace() - 2 * cross
    return max(float(distance), 0.0)
