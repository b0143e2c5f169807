"""The Frechet distance of two sets of features, taken as Gaussian (FID: Heusel et al. 2017, 1706.08500)."""

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.order import checked

_ROWS = 4096  # rows turned to float64 at a time; fixed, so that the sums do not depend on how features arrived
_KEPT = 4  # samples for each feature up to which they are kept, and a factor is found without the covariance
_SMALL = 1e-4  # singular values below this share of the largest one are computed a second time
_NOISE = 1e-6  # share of the largest singular value below which its vectors are left out of the error
_EPS = torch.finfo(torch.float64).eps


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
    _features: Tensor | None = field(default=None, repr=False)  # of small sets, at most twice the size of the scatter

    @classmethod
    def empty(cls, dim: int) -> "FeatureStatistics":
        """The statistics of no samples, the start of a `merge`."""
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
                result = result.merge(cls(len(rows), mean, deviation.T @ deviation))
        small = 2 <= result.n <= _KEPT * features.shape[1]
        return cls(result.n, result.mean, result.scatter, features.clone() if small else None)

    @classmethod
    def from_moments(cls, mean: Tensor, cov: Tensor) -> "FeatureStatistics":
        """Statistics of an unknown number of samples with this mean (d,) and covariance (d, d).

        They serve as a reference of the Frechet distance. They cannot be merged with others: n is 0 in the sum of the
        counts and unknown here, for which 2 stands.

        Raises:
            ValueError: the shapes do not fit each other.
        """
        if mean.dim() != 1 or cov.shape != (len(mean), len(mean)):
            raise ValueError(
                f"Moments are a mean (d,) and a covariance (d, d); given {tuple(mean.shape)}, {tuple(cov.shape)}."
            )
        return cls(2, mean.detach().cpu().double(), cov.detach().cpu().double())

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

    @property
    def variance(self) -> float:
        """The sum over features of their variances, the trace of `cov`."""
        if self.n < 2:
            raise ValueError(f"A covariance needs at least 2 samples; there are {self.n}.")
        return self.scatter.trace().item() / (self.n - 1)

    @cached_property
    def factor(self) -> Tensor:
        """(d, r) F with F F^T = cov.

        Of few samples it is their deviations themselves (r = n) or the triangle of these (r = d). Otherwise it comes
        from the eigenvectors of cov, without the directions of no more than rounding error.
        """
        if self._features is not None:
            deviation = (self._features.double() - self.mean) / sqrt(self.n - 1)
            thin = deviation if len(deviation) <= len(self.mean) else torch.linalg.qr(deviation, mode="r")[1]
            return thin.T
        values, vectors = torch.linalg.eigh(self.cov)
        kept = values > values[-1] * len(values) * _EPS
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
    _same_features(a, len(b.mean))
    if not (a.finite and b.finite):
        return float("nan")
    return _value(a, b, _singular(a.factor.T @ b.factor))


def fid(real: FeatureStatistics, features: Tensor) -> Estimate:
    """The Frechet distance of generated features (N, d) to `real`, with its standard error over draws of N samples.

    The reference counts as fixed. The error is the delta method's: the distance changes with a sample x of mean mu_g by

        psi(x) = 2 (mu_g - mu_r)^T (x - mu_g) + (x - mu_g)^T (I - A) (x - mu_g)     less its mean,

    with A = F U S^-1 U^T F^T the optimal transport map from the generated Gaussian to the real one, where F^T G = U S V^T
    as in `frechet_distance`; the error is std(psi) / sqrt(N).

    Raises:
        ValueError: rows that are not finite, fewer than two samples, or different feature counts.
    """
    checked(features)
    _same_features(real, features.shape[1])
    if not real.finite:
        raise ValueError("The real features have to be finite; their statistics hold NaN or infinity.")
    n, dim = features.shape
    if n < dim:
        warnings.warn(
            f"FID of fewer samples than features ({n} of {dim}) is biased upwards. Compare it with figures of the same "
            "number of samples alone, or take more samples.",
            stacklevel=2,
        )
    made = FeatureStatistics.of(features)
    spectrum = _singular(real.factor.T @ made.factor)
    value = _value(real, made, spectrum)
    kept = spectrum.values > spectrum.values.amax() * _NOISE
    transport = (real.factor @ spectrum.left[:, kept] / spectrum.values[kept].sqrt()).float()
    shift = 2 * (made.mean - real.mean)
    influence = []
    for rows in features.detach().cpu().split(_ROWS):
        deviation = rows.double() - made.mean
        moved = (deviation.float() @ transport).square().sum(1).double()
        influence.append(deviation @ shift + deviation.square().sum(1) - moved)
    return Estimate(value, torch.cat(influence).std().item() / sqrt(n))


class _Spectrum(NamedTuple):
    """Singular values (p,) of a matrix (r, s), p = min(r, s), their sum, and left singular vectors (r, p).

    Vectors, and single values below 1e-6 of the largest one, are less exact than the sum.
    """

    values: Tensor
    left: Tensor
    total: float


def _singular(matrix: Tensor) -> _Spectrum:
    """Half the time of LAPACK's SVD: vectors from eigenvectors of the Gram matrix, values from what they leave.

    Let U be those vectors, orthogonal to rounding: the columns of matrix^T U have the singular values for norms, to
    second order in how far they are from orthogonal. Where that is far, for small values, the SVD of these columns
    takes the place of their norms.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if tall else matrix
    vectors = torch.linalg.eigh(wide @ wide.T)[1]
    columns = wide.T @ vectors
    values = torch.linalg.vector_norm(columns, dim=0)
    small = values < _SMALL * values.amax()
    total = values[~small].sum()
    if small.any():
        total = total + torch.linalg.svdvals(columns[:, small]).sum()
    left = columns / values.clamp_min(torch.finfo(values.dtype).tiny) if tall else vectors
    return _Spectrum(values, left, total.item())


def _value(a: FeatureStatistics, b: FeatureStatistics, spectrum: _Spectrum) -> float:
    distance = (a.mean - b.mean).square().sum().item() + a.variance + b.variance - 2 * spectrum.total
    return max(distance, 0.0)


def _same_features(a: FeatureStatistics, count: int) -> None:
    if len(a.mean) != count:
        raise ValueError(f"Both sets need the same features; they have {len(a.mean)} and {count}.")
