"""The Inception Score (Salimans et al. 2016, 1606.03498)."""

from typing import NamedTuple

import torch
from torch import Tensor

_SPLITS, _LEAST = 10, 500  # the protocol's ten splits, each of at least this many samples


class InceptionScore(NamedTuple):
    """mean and std over splits; std is 0 for a single split."""

    mean: float
    std: float


def inception_score(probabilities: Tensor, splits: int | None = None) -> InceptionScore:
    """exp E_x KL(p(y|x) || p(y)) of class probabilities (N, K), in float64: between 1 and K.

    splits: None takes the protocol's ten from 5,000 samples on, and scores fewer as one set: log IS of m samples over
    K classes is low by about (K - 1) / 2m, so small splits would tell more of their size than of the samples. A split
    takes every `splits`-th sample, so that data sorted by class is no special case.

    Raises:
        ValueError: not (N, K), no samples, or more splits than samples.
    """
    if probabilities.dim() != 2 or len(probabilities) == 0:
        raise ValueError(f"Probabilities are (N, K) with N > 0; these have shape {tuple(probabilities.shape)}.")
    count = (_SPLITS if len(probabilities) >= _SPLITS * _LEAST else 1) if splits is None else splits
    if not 1 <= count <= len(probabilities):
        raise ValueError(f"splits={count} does not fit {len(probabilities)} samples: choose 1 to {len(probabilities)}.")
    exact = probabilities.detach().cpu().double()
    scores = torch.stack([_score(exact[i::count]) for i in range(count)])
    return InceptionScore(scores.mean().item(), scores.std(correction=0).item())


def _score(p: Tensor) -> Tensor:
    return (torch.xlogy(p, p) - torch.xlogy(p, p.mean(0, keepdim=True))).sum(1).mean().exp()
