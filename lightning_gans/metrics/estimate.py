"""Estimates: values with standard errors due to the number of samples."""

from math import sqrt
from typing import NamedTuple

from torch import Tensor


class Estimate(NamedTuple):
    """Estimate: a value with its standard error over draws of as many samples; the error is NaN if unknown."""

    value: float
    error: float


def mean(values: Tensor) -> Estimate:
    """Mean of independent values (N,), N > 0; its error is NaN for N = 1."""
    exact = values.detach().double().cpu()
    n = len(exact)
    return Estimate(exact.mean().item(), exact.std().item() / sqrt(n) if n > 1 else float("nan"))


def share(right: int, n: int) -> Estimate:
    """Share right / n of n > 0 independent samples, 0 to 1, with the binomial standard error."""
    return of_share(right / n, n)


def of_share(found: float, n: int) -> Estimate:
    """Wrap a share of n independent samples, 0 to 1, with its binomial standard error."""
    return Estimate(found, sqrt(max(found * (1 - found), 0.0) / n))
