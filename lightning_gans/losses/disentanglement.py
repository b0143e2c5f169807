"""Losses that disentangle speaker codes from content codes: confusion and contrastive pairs."""

from math import log

import torch
from torch import Tensor

from lightning_gans.losses.precision import exact


def confusion(logits: Tensor) -> Tensor:
    """Confusion loss KL(uniform || softmax(logits)) in nats, 0 for a classifier at chance: (N, S) -> ().

    The cross-entropy towards the uniform distribution (Tzeng et al. 2015, 1510.02192, eq. 3) minus log S. The negative
    cross-entropy of the true class has no lower bound: it is minimised by making the classifier confidently wrong.
    """
    return -exact(logits).log_softmax(1).mean() - log(logits.shape[1])


def same(a: Tensor, b: Tensor) -> Tensor:
    """Distance of same-speaker codes: mean of |a - b|^2 over pairs; (N, d) twice -> ()."""
    return (a - b).square().sum(1).mean()


def different(a: Tensor, b: Tensor, *, margin: float) -> Tensor:
    """Contrastive loss of codes of two speakers: mean of max(0, margin - |a - b|)^2 (Hadsell et al. 2006)."""
    missing: Tensor = (margin - torch.linalg.vector_norm(a - b, dim=1)).clamp_min(0)
    return missing.square().mean()
