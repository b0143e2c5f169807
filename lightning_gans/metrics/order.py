"""Canonical order of samples, independent of their given order."""

import torch
from torch import Tensor


def canonical_order(x: Tensor, seed: int = 0) -> Tensor:
    """Return a permutation (N,) that brings the rows of x (N, d) into a canonical order, whatever their given order.

    Rows are sorted by their product with a fixed vector and then shuffled by `seed`. The result looks random, and equal
    sets are in equal order. Only rows that agree to rounding may be swapped.
    """
    exact = x.detach().cpu().double()
    weights = torch.rand(x.shape[1], generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    ranked = (exact @ weights).argsort(stable=True)
    return ranked[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]


def checked(x: Tensor, kind: str = "Features", *, least: int = 2) -> Tensor:
    """Check that x (N, d) has enough rows, all finite; return it.

    Raises:
        ValueError: not (N, d), fewer than `least` rows, or rows with NaN or infinity.
    """
    if x.dim() != 2:
        raise ValueError(f"{kind} are (N, d); these have shape {tuple(x.shape)}.")
    if len(x) < least:
        raise ValueError(f"At least {least} samples are needed; there are {len(x)}.")
    broken = int((~x.detach().isfinite().all(1)).sum())
    if broken:
        raise ValueError(f"{kind} have to be finite; {broken} of {len(x)} rows hold NaN or infinity.")
    return x
