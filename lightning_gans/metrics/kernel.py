"""The kernel distance of two sets of features (KID: Binkowski et al. 2018, 1801.01401)."""

from typing import NamedTuple

import torch
from torch import Tensor


class KernelDistance(NamedTuple):
    """mean and std of the squared MMD over random subsets."""

    mean: float
    std: float


def polynomial_mmd2(
    x: Tensor, y: Tensor, *, degree: int = 3, coef0: float = 1.0, gamma: float | None = None, biased: bool = False
) -> Tensor:
    """Squared maximum mean discrepancy of x (N, d) and y (M, d) under the kernel (gamma <x, y> + coef0)^degree.

    gamma: 1 / d where None.
    biased: keep the diagonals, as the V-statistic does; never below zero, but well above it for equal distributions.

    Returns:
        a float64 scalar; the unbiased estimate may be negative.
    """
    x, y = x.double(), y.double()
    scale = 1 / x.shape[1] if gamma is None else gamma
    offset = x.new_tensor(coef0)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.addmm(offset, a, b.T, alpha=scale).pow_(degree)  # in place: the memory is what takes the time

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
    """Mean and standard deviation of the unbiased MMD^2 over `subsets` random subsets of both sets.

    real, fake: (N, d) and (M, d). subset_size: min(1000, N, M) where None. Which samples a subset takes depends on
    `seed` and the set sizes alone. Where a subset takes a whole set, std tells the spread over the other set only.

    Raises:
        ValueError: a subset size below 2 or above the smaller set.
    """
    smaller = min(len(real), len(fake))
    size = min(1000, smaller) if subset_size is None else subset_size
    if not 2 <= size <= smaller:
        raise ValueError(f"subset_size={size} does not fit: choose 2 to {smaller}, the size of the smaller set.")
    generator = torch.Generator().manual_seed(seed)
    real, fake = real.detach().cpu().double(), fake.detach().cpu().double()
    values = torch.empty(subsets, dtype=torch.float64)
    for i in range(subsets):
        x = real[torch.randperm(len(real), generator=generator)[:size]]
        y = fake[torch.randperm(len(fake), generator=generator)[:size]]
        values[i] = polynomial_mmd2(x, y, degree=degree, coef0=coef0, gamma=gamma)
    return KernelDistance(values.mean().item(), values.std(correction=0).item())
