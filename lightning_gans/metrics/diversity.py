"""Signs of collapse that can be read from a batch of generated samples."""

import torch
from torch import Tensor

_ROWS = 1024  # rows of the distance matrix held at a time


def pairwise_distance(features: Tensor) -> float:
    """Mean Euclidean distance over all pairs of different rows of features (N, d); 0 where all samples are one.

    Raises:
        ValueError: fewer than two samples.
    """
    n = len(features)
    if n < 2:
        raise ValueError(f"A pairwise distance needs at least 2 samples; there are {n}.")
    exact = features.detach().cpu().double()
    # Without the matrix product form, equal rows are at distance 0 exactly.
    rows = (torch.cdist(a, exact, compute_mode="donot_use_mm_for_euclid_dist").sum() for a in exact.split(_ROWS))
    return sum(row.item() for row in rows) / (n * (n - 1))


def classes_covered(probabilities: Tensor, *, share: float = 0.1) -> int:
    """Number of classes that are the most probable one for enough samples of probabilities (N, K).

    share: what is enough, as a fraction of the N / K samples that a uniform generator gives to a class (at least one
    sample in any case).
    """
    n, classes = probabilities.shape
    counts = torch.bincount(probabilities.detach().argmax(1).cpu(), minlength=classes)
    return int((counts >= max(share * n / classes, 1.0)).sum())
