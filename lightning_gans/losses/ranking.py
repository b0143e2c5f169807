"""Policies over documents, sampling from them, and their losses (policy gradient, pairwise logistic)."""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from lightning_gans.losses.precision import exact


def log_policy(scores: Tensor, candidate: Tensor, *, temperature: float = 1.0) -> Tensor:
    """Log policy log p(d | q) = log softmax(scores / temperature) over the candidates, -inf elsewhere; all (N, M)."""
    return (exact(scores) / temperature).masked_fill(~candidate, -torch.inf).log_softmax(dim=1)


def draw(weights: Tensor, uniform: Tensor) -> Tensor:
    """Draw documents with probabilities proportional to `weights`: (N, M), uniform (N, S) in [0, 1) -> (N, S) int64.

    Inverts the distribution function in float64, so that rounding cannot select a document of weight 0.
    """
    upto = weights.double().cumsum(dim=1)
    return torch.searchsorted(upto, uniform.double() * upto[:, -1:], right=True)


def importance_mixture(policy: Tensor, relevant: Tensor, share: float) -> Tensor:
    """Importance-sampling mixture p_n = (1 - share) p_theta + share p_true (geek-ai/irgan); all (N, M)."""
    true = relevant.to(policy) / relevant.sum(dim=1, keepdim=True).clamp(min=1)
    return (1 - share) * policy + share * true


def policy_gradient(
    log_p: Tensor, drawn: Tensor, advantage: Tensor, proposal: Tensor, *, share: Tensor | float = 1.0
) -> Tensor:
    """Policy-gradient loss, (): minus the mean of p_theta / p_n (r - b) log p_theta(d), with the gradient of -E[r].

    Weight and advantage are constants (IRGAN, eq. 5, with the importance weights of its code).

    Args:
        log_p: log p_theta, (N, M), with its graph.
        drawn: documents from `proposal`, (N, S).
        advantage: r - b of every document, (N, M).
        proposal: p_n, (N, M).
        share: share of a row in its query, (N, 1), if a query has several rows.
    """
    log_drawn = log_p.gather(1, drawn)
    with torch.no_grad():
        weight = log_drawn.exp() / proposal.gather(1, drawn) * advantage.gather(1, drawn)
    return -(share * weight * log_drawn).mean()


def pairwise_logistic(better: Tensor, worse: Tensor) -> Tensor:
    """Pairwise logistic loss -log s(better - worse), of any shape (BPR, Rendle et al. 2009; RankNet)."""
    return -logsigmoid(exact(better - worse))


def hardest(scores: Tensor, of: int) -> Tensor:
    """Index of the highest score among each `of`: scores (N, S * of) -> (N, S) int64.

    Dynamic negative sampling (Zhang et al. 2013).
    """
    best: Tensor = scores.unflatten(1, (-1, of)).argmax(dim=2)
    return best + torch.arange(best.shape[1], device=best.device) * of
