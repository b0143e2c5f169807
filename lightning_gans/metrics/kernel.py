"""Kernel distance of two feature sets (KID: Binkowski et al. 2018, 1801.01401)."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.order import canonical_order, checked

_TILE = 1024  # rows and columns of a kernel matrix in memory at a time: 8 MB


class KernelDistance(NamedTuple):
    """Kernel distance (KID): mean and std of the squared MMD over random subsets; error: the standard error of mean."""

    mean: float
    std: float
    error: float


@dataclass(frozen=True)
class _Kernel:
    """Polynomial kernel (gamma <x, y> + coef0)^degree in float64."""

    degree: int
    coef0: float
    gamma: float

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        product = torch.addmm(a.new_tensor(self.coef0), a, b.T, alpha=self.gamma)
        return product.square().mul_(product) if self.degree == 3 else product.pow_(self.degree)

    def diagonal(self, a: Tensor) -> Tensor:
        """Return the kernel of each row with itself: (N,)."""
        return (self.gamma * a.square().sum(1) + self.coef0).pow(self.degree)


def polynomial_mmd2(
    x: Tensor, y: Tensor, *, degree: int = 3, coef0: float = 1.0, gamma: float | None = None, biased: bool = False
) -> Tensor:
    """Squared maximum mean discrepancy of x (N, d) and y (M, d) under the kernel (gamma <x, y> + coef0)^degree.

    gamma: None: 1 / d.
    biased: keep the diagonals, as the V-statistic does; not negative, but well above zero for equal distributions.

    Returns:
        a float64 scalar; the unbiased estimate may be negative.
    """
    x, y = x.double(), y.double()
    kernel = _Kernel(degree, coef0, 1 / x.shape[1] if gamma is None else gamma)

    def within(a: Tensor) -> Tensor:
        k, n = kernel(a, a), len(a)
        return k.mean() if biased else (k.sum() - k.diagonal().sum()) / (n * (n - 1))

    return within(x) + within(y) - 2 * kernel(x, y).mean()


def kernel_distance(
    real: Tensor,
    fake: Tensor,
    *,
    subsets: int = 100,
    subset_size: int | None = None,
    degree: int = 3,
    coef0: float = 1.0,
    gamma: float | None = None,
    seed: int = 0,
) -> KernelDistance:
    """KID: mean and standard deviation of the unbiased MMD^2 over `subsets` random subsets of both sets, in float64.

    The error is the delta method's, with the real samples fixed: with psi(y) = 2 (mean_y' k(y, y') - mean_x k(x, y))
    within a subset, it is the square root of the mean over subsets of var psi, divided by M.

    The samples of a subset depend on `seed` and the sets, not on the order of their rows. Kernel matrices of all
    samples are summed tile by tile, over all subsets at once, if this is less work than separate subsets. Besides the
    features, memory holds two tiles (16 MB) and 16 bytes per sample and subset.

    Args:
        real: (N, d) features.
        fake: (M, d) features.
        subsets: number of subsets; one if a subset is the whole of both sets.
        subset_size: samples of each set in a subset; None: min(1000, N, M). If a subset is a whole set, std is the
            spread over the other set only.
        degree: degree of the polynomial.
        coef0: constant of the polynomial.
        gamma: factor of the scalar product; None: 1 / d.
        seed: seed of the subsets.

    Raises:
        ValueError: features are not (N, d), differ in d, or are not finite; or the subset size is below 2 or above the
            smaller set.
    """
    real, fake = checked(real).detach().cpu(), checked(fake).detach().cpu()
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"Both sets need the same features; they have {real.shape[1]} and {fake.shape[1]}.")
    smaller = min(len(real), len(fake))
    size = min(1000, smaller) if subset_size is None else subset_size
    if not 2 <= size <= smaller:
        raise ValueError(f"subset_size={size} does not fit: choose 2 to {smaller}, the size of the smaller set.")
    if subsets < 1:
        raise ValueError(f"subsets={subsets} does not fit: choose 1 or more.")
    kernel = _Kernel(degree, coef0, 1 / real.shape[1] if gamma is None else gamma)
    if size == len(real) == len(fake):
        subsets = 1
    generator = torch.Generator().manual_seed(seed)
    orders = canonical_order(real), canonical_order(fake)
    chosen = [
        [order[torch.randperm(len(order), generator=generator)[:size]] for order in orders] for _ in range(subsets)
    ]
    found = [
        _subset_statistics(kernel, x, y, in_x, in_y)
        for x, y, in_x, in_y in _groups(real, fake, [x for x, _ in chosen], [y for _, y in chosen])
    ]
    values, variances = (torch.cat(column) for column in zip(*found, strict=True))
    return KernelDistance(
        values.mean().item(), values.std(correction=0).item(), sqrt(variances.mean().item() / len(fake))
    )


def _groups(
    real: Tensor, fake: Tensor, xs: list[Tensor], ys: list[Tensor]
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Samples of both sets, and their membership in some subsets, (N, S) and (M, S) of 0 and 1."""
    size = len(xs[0])
    if (len(real) + len(fake)) ** 2 <= len(xs) * (2 * size) ** 2:
        yield real, fake, _members(xs, len(real)), _members(ys, len(fake))
        return
    everyone = torch.ones(size, 1, dtype=torch.float64)
    for x, y in zip(xs, ys, strict=True):
        yield real[x], fake[y], everyone, everyone


def _members(subsets: list[Tensor], n: int) -> Tensor:
    return torch.stack([torch.zeros(n, dtype=torch.float64).index_fill_(0, rows, 1) for rows in subsets], 1)


def _subset_statistics(kernel: _Kernel, x: Tensor, y: Tensor, in_x: Tensor, in_y: Tensor) -> tuple[Tensor, Tensor]:
    """MMD^2 and the variance of psi for each subset, (S,) each."""
    m = in_x[:, 0].sum()
    within_x, within_y = _own_sums(kernel, x, in_x), _own_sums(kernel, y, in_y)
    between_y = torch.cat([_row_sums(kernel, rows.double(), x, in_x) for rows in y.split(_TILE)])
    in_own = (within_y - _diagonal(kernel, y)[:, None]) / (m - 1)
    psi = 2 * (in_own - between_y / m)
    own_x = ((within_x - _diagonal(kernel, x)[:, None]) * in_x).sum(0) / (m * (m - 1))
    value = own_x + (in_own * in_y).sum(0) / m - 2 * (between_y * in_y).sum(0) / m**2
    mean = (psi * in_y).sum(0) / m
    variance = ((psi - mean).square() * in_y).sum(0) / (m - 1)
    return value, variance


def _diagonal(kernel: _Kernel, a: Tensor) -> Tensor:
    return torch.cat([kernel.diagonal(rows.double()) for rows in a.split(_TILE)])


def _row_sums(kernel: _Kernel, rows: Tensor, b: Tensor, in_b: Tensor) -> Tensor:
    """Sums (n, S): for each row, the sum of its kernel with the rows of b in each subset."""
    tiles = zip(b.split(_TILE), in_b.split(_TILE), strict=True)
    return torch.stack([kernel(rows, tile.double()) @ members for tile, members in tiles]).sum(0)


def _own_sums(kernel: _Kernel, a: Tensor, in_a: Tensor) -> Tensor:
    """`_row_sums` of a's rows with a; only half of the symmetric matrix is computed."""
    sums = torch.zeros_like(in_a)
    starts = range(0, len(a), _TILE)
    for i in starts:
        rows = a[i : i + _TILE].double()
        for j in starts[i // _TILE :]:
            k = kernel(rows, a[j : j + _TILE].double())
            sums[i : i + _TILE] += k @ in_a[j : j + _TILE]
            if j > i:
                sums[j : j + _TILE] += k.T @ in_a[i : i + _TILE]
    return sums
