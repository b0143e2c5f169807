"""Inception Score (Salimans et al. 2016, 1606.03498)."""

from math import sqrt
from typing import NamedTuple

import torch
from torch import Tensor

from lightning_gans.metrics.order import canonical_order, checked


class InceptionScore(NamedTuple):
    """Inception Score: mean and std over splits (std is 0 for a single split); error: the standard error of mean."""

    mean: float
    std: float
    error: float


def inception_score(probabilities: Tensor, splits: int = 10, *, as_given: bool = False) -> InceptionScore:
    """Inception Score exp E_x KL(p(y|x) || p(y)) of class probabilities (N, K), in float64: between 1 and K.

    Log IS of m samples over K classes is biased low by about (K - 1) / 2m, so values are comparable only at equal N and
    splits. The error is the delta method's on log IS: IS std(KL(p(y|x) || p(y))) / sqrt(N).

    Args:
        splits: number of parts that are scored separately; at most the number of samples.
        as_given: split the rows in their given order. Otherwise they are brought into a canonical order, so that the
            score does not depend on their order, even for data sorted by class.

    Raises:
        ValueError: not (N, K), no samples, rows that are not finite, or no splits.
    """
    n = len(checked(probabilities, "Probabilities", least=1))
    if splits < 1:
        raise ValueError(f"splits={splits} does not fit: choose 1 or more.")
    count = min(splits, n)
    exact = probabilities.detach().cpu().double()
    if not as_given:
        exact = exact[canonical_order(exact)]
    parts = [exact[i * n // count : (i + 1) * n // count] for i in range(count)]
    scores = torch.stack([_divergences(part).mean().exp() for part in parts])
    mean = scores.mean().item()
    return InceptionScore(mean, scores.std(correction=0).item(), mean * _divergences(exact).std().item() / sqrt(n))


def _divergences(p: Tensor) -> Tensor:
    """KL of each row from the mean row, in nats."""
    return (torch.xlogy(p, p) - torch.xlogy(p, p.mean(0, keepdim=True))).sum(1)
