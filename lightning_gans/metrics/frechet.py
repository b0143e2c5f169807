"""Frechet distance of two feature sets taken as Gaussian (FID: Heusel et al. 2017, 1706.08500)."""

from dataclasses import dataclass, field
from functools import cached_property
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.linalg import cholesky, eigen, gram, product, product_of_triangles
from lightning_gans.metrics.order import canonical_order, checked

_ROWS = 4096  # rows converted to float64 at a time; fixed, so that sums do not depend on the batches
_SEEN = 2048  # samples for the standard error, which is then random by about 2 %
_EXACT = 1e-2  # singular values above this share of the largest one are exact as roots of eigenvalues
_ORTHOGONAL = 1e-4  # and those above this share as norms of columns
_NOISE = 1e-6  # share of the largest singular value below which its vectors are left out of the error
_TINY = torch.finfo(torch.float64).tiny
_EPS = torch.finfo(torch.float64).eps


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Feature statistics for the Frechet distance: count, mean and scatter, float64 on the CPU.

    n: number of samples.
    mean: (d,).
    scatter: (d, d), the sum over samples of the outer product of their deviation from the mean. With deviations instead
        of squares, a large common mean costs no digits.
    """

    n: int
    mean: Tensor
    scatter: Tensor
    counted: bool = True  # False: from moments only, n unknown
    _features: Tensor | None = field(default=None, repr=False)  # (n, d), if not larger than scatter

    @classmethod
    def empty(cls, dim: int) -> "FeatureStatistics":
        """Statistics of no samples, the initial value of a `merge`."""
        return cls(0, torch.zeros(dim, dtype=torch.float64), torch.zeros(dim, dim, dtype=torch.float64))

    @classmethod
    def of(cls, features: Tensor) -> "FeatureStatistics":
        """Statistics of features (N, d) of any float type."""
        if features.dim() != 2:
            raise ValueError(f"Features are (N, d); these have shape {tuple(features.shape)}.")
        result = cls.empty(features.shape[1])
        features = features.detach().cpu()
        for rows in features.split(_ROWS):
            if len(rows):
                exact = rows.double()
                mean = exact.mean(0)
                deviation = exact - mean
                part = cls(len(rows), mean, gram(deviation.T))
                result = result.merge(part) if result.n else part
        small = 2 <= result.n <= features.shape[1]
        return cls(result.n, result.mean, result.scatter, _features=features.clone() if small else None)

    @classmethod
    def from_moments(cls, mean: Tensor, cov: Tensor) -> "FeatureStatistics":
        """Statistics of an unknown number of samples with this mean (d,) and covariance (d, d).

        They serve as a reference of the Frechet distance. They cannot be merged, since their n is unknown
        (2 is a placeholder).

        Raises:
            ValueError: the shapes do not fit each other.
        """
        if mean.dim() != 1 or cov.shape != (len(mean), len(mean)):
            raise ValueError(
                f"Moments are a mean (d,) and a covariance (d, d); given {tuple(mean.shape)}, {tuple(cov.shape)}."
            )
        return cls(2, mean.detach().cpu().double(), cov.detach().cpu().double(), counted=False)

    def merge(self, other: "FeatureStatistics") -> "FeatureStatistics":
        """Merge statistics into those of both sets (Chan, Golub, LeVeque 1979); one call per batch or process.

        Raises:
            ValueError: statistics of an unknown number of samples.
        """
        if not (self.counted and other.counted):
            raise ValueError("Statistics of an unknown number of samples cannot be merged with others.")
        if self.n == 0 or other.n == 0:
            return other if self.n == 0 else self
        n = self.n + other.n
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.n / n)
        scatter = self.scatter + other.scatter + torch.outer(shift, shift) * (self.n * other.n / n)
        return FeatureStatistics(n, mean, scatter)

    @property
    def cov(self) -> Tensor:
        """Unbiased covariance (d, d).

        Raises:
            ValueError: fewer than two samples.
        """
        if self.n < 2:
            raise ValueError(f"A covariance needs at least 2 samples; there are {self.n}.")
        return self.scatter / (self.n - 1)

    @property
    def variance(self) -> float:
        """Sum over features of their variances, the trace of `cov`."""
        if self.n < 2:
            raise ValueError(f"A covariance needs at least 2 samples; there are {self.n}.")
        return self.scatter.trace().item() / (self.n - 1)

    @cached_property
    def factor(self) -> Tensor:
        """Factor F (d, r) with F F^T = cov.

        With no more samples than features, it has their deviations (r = n), otherwise it is Cholesky's triangle of cov
        (r = d). If that does not exist, it comes from the eigenvectors of cov, without the directions that are only
        rounding error.
        """
        if self._features is not None:
            return (self._features.double() - self.mean).div_(sqrt(self.n - 1)).T
        if self.triangle is not None:
            return self.triangle
        values, vectors = eigen(self.cov)
        kept = values > values[-1] * len(values) * _EPS
        return vectors[:, kept] * values[kept].sqrt()

    @cached_property
    def triangle(self) -> Tensor | None:
        """`factor` if it is Cholesky's lower triangle, otherwise None."""
        return cholesky(self.cov) if self._features is None else None

    @property
    def finite(self) -> bool:
        """Return True if all features were finite."""
        return bool(self.mean.isfinite().all() and self.scatter.isfinite().all())


def frechet_distance(a: FeatureStatistics, b: FeatureStatistics) -> float:
    """Frechet distance ||mu_a - mu_b||^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in float64; NaN for features not finite.

    With S_a = F F^T and S_b = G G^T, the last trace is the nuclear norm of F^T G. Its singular values are exact to
    rounding, whereas square roots of the eigenvalues of S_a S_b lose half the digits of the small ones. Singular
    covariances (fewer samples than features) therefore need no offset, and the distance of a set to itself is 0.

    Raises:
        ValueError: fewer than two samples in a set, or different feature counts.
    """
    _same_features(a, len(b.mean))
    if not (a.finite and b.finite):
        return float("nan")
    return _value(a, b, _singular(_cross(a, b)))


def fid(real: FeatureStatistics, features: Tensor) -> Estimate:
    """FID of generated features (N, d) to `real`, with its standard error over draws of N samples.

    The reference is treated as fixed. The error is the delta method's: the influence on the distance of a sample x is

        psi(x) = 2 (mu_g - mu_r)^T (x - mu_g) + (x - mu_g)^T (I - A) (x - mu_g)     minus its mean,

    with mu_g the generated mean and A = F U S^-1 U^T F^T the optimal transport map from the generated Gaussian to the
    real one, where F^T G = U S V^T as in `frechet_distance`. The error is std(psi) / sqrt(N), with the deviation over
    at most 2,048 samples.

    Raises:
        ValueError: rows that are not finite, fewer than two samples, or different feature counts.
    """
    checked(features)
    _same_features(real, features.shape[1])
    if not real.finite:
        raise ValueError("The real features have to be finite; their statistics hold NaN or infinity.")
    n = len(features)
    made = FeatureStatistics.of(features)
    spectrum = _singular(_cross(real, made))
    value = _value(real, made, spectrum)
    kept = spectrum.values > spectrum.values.amax() * _NOISE
    # Three digits of the error are enough, and float32 takes half the time.
    transport = product(real.factor.float(), (spectrum.left[:, kept] / spectrum.values[kept].sqrt()).float())
    shift = 2 * (made.mean - real.mean)
    rows = features.detach().cpu()
    if n > _SEEN:
        rows = rows[canonical_order(rows)[:_SEEN]]
    influence = []
    for part in rows.split(_ROWS):
        deviation = part.double() - made.mean
        moved = product(deviation.float(), transport).square().sum(1).double()
        influence.append(deviation @ shift + deviation.square().sum(1) - moved)
    return Estimate(value, torch.cat(influence).std().item() / sqrt(n))


class _Spectrum(NamedTuple):
    """Spectrum of a matrix (r, s): singular values (p,), p = min(r, s), their sum, and left singular vectors (r, p).

    A matrix without rows or columns has one singular value, 0.

    Vectors, and single values below 1e-6 of the largest one, are less exact than the sum.
    """

    values: Tensor
    left: Tensor
    total: float


def _singular(matrix: Tensor) -> _Spectrum:
    """SVD in half the time of LAPACK's, from the eigenvalues and eigenvectors U of the Gram matrix, matrix matrix^T.

    Roots of eigenvalues are exact for large singular values. Smaller ones are the norms of the columns of matrix^T U,
    if these are orthogonal to rounding; the smallest come from the SVD of their columns.
    """
    if not matrix.numel():  # all samples of a set are equal
        return _Spectrum(matrix.new_zeros(1), matrix.new_zeros(len(matrix), 1), 0.0)
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if tall else matrix
    squares, vectors = eigen(gram(wide))
    values = squares.clamp_min(0).sqrt()
    total = 0.0
    inexact = values < _EXACT * values[-1]
    if inexact.any():
        columns = product(wide.T, vectors[:, inexact])
        values[inexact] = torch.linalg.vector_norm(columns, dim=0)
        small = values[inexact] < _ORTHOGONAL * values[-1]
        if small.any():
            total = torch.linalg.svdvals(columns[:, small]).sum().item()
    total += values[values >= _ORTHOGONAL * values[-1]].sum().item()
    left = product(wide.T, vectors) / values.clamp_min(_TINY) if tall else vectors
    return _Spectrum(values, left, total)


def _cross(a: FeatureStatistics, b: FeatureStatistics) -> Tensor:
    """Product F^T G of the factors of both covariances."""
    if a.triangle is not None and b.triangle is not None:
        return product_of_triangles(a.triangle, b.triangle)
    return product(a.factor.T, b.factor)


def _value(a: FeatureStatistics, b: FeatureStatistics, spectrum: _Spectrum) -> float:
    distance = (a.mean - b.mean).square().sum().item() + a.variance + b.variance - 2 * spectrum.total
    return max(distance, 0.0)


def _same_features(a: FeatureStatistics, count: int) -> None:
    if len(a.mean) != count:
        raise ValueError(f"Both sets need the same features; they have {len(a.mean)} and {count}.")
