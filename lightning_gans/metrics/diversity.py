"""Class coverage and evenness of samples, by the predictions of a classifier."""

from math import log, sqrt

import torch
from torch import Tensor

from lightning_gans.metrics.estimate import Estimate

SHARE = 0.1  # a class is covered with this share of the samples that a uniform generator would give it


def class_counts(probabilities: Tensor) -> Tensor:
    """Count the samples predicted as each class, from probabilities (N, K): (K,) int64."""
    return torch.bincount(probabilities.detach().argmax(1).cpu(), minlength=probabilities.shape[1])


def classes_covered(probabilities: Tensor, *, share: float = SHARE) -> int:
    """Number of classes that are the most probable class of enough samples, from probabilities (N, K).

    share: required samples of a class, as a fraction of the N / K samples that a uniform generator gives to it; at
    least one sample in any case.
    """
    n, classes = probabilities.shape
    return int((class_counts(probabilities) >= max(share * n / classes, 1.0)).sum())


def evenness(probabilities: Tensor) -> Estimate:
    """Evenness: entropy of the mean of class probabilities (N, K > 1), divided by log K; 1 for even classes, 0 for one.

    Pielou's index. The standard error is first-order (delta method); it is 0 if the classes are even.
    """
    exact = probabilities.detach().cpu().double()
    n, classes = exact.shape
    mean = exact.mean(0)
    found = -torch.xlogy(mean, mean).sum()
    each = -torch.xlogy(exact, mean).sum(1)  # its mean is the entropy
    return Estimate(found.item() / log(classes), each.std().item() / (sqrt(n) * log(classes)))
