"""Variational information maximisation (Chen et al. 2016, 1606.03657, eq. 4): a lower bound on I(c; G(z, c)).

L_I = E log q(c | x) + H(c), c ~ p(c), x = G(z, c). It is below the mutual information by the mean of
KL(p(c | x) || q(c | x)). All values are in nats, and means over the batch.
"""

from math import e, log, pi

from torch import Tensor
from torch.nn.functional import log_softmax

from lightning_gans.losses.precision import exact


def categorical_log_density(logits: Tensor, code: Tensor) -> Tensor:
    """Mean of log q(c | x): logits (N, K), one-hot codes (N, K) -> ()."""
    return (code * log_softmax(exact(logits), dim=1)).sum(1).mean()


def gaussian_log_density(mean: Tensor, code: Tensor, *, std: float = 1.0) -> Tensor:
    """Mean of log N(c; mean(x), std^2 I): both (N, d) -> (). The paper's code leaves std at 1."""
    squares: Tensor = ((code - exact(mean)) / std).square().sum(1).mean()
    return -squares / 2 - code.shape[1] * log(std * (2 * pi) ** 0.5)


def categorical_entropy(categories: int) -> float:
    """Entropy of a uniform distribution over `categories`, in nats."""
    return log(categories)


def uniform_entropy(dim: int, bound: float) -> float:
    """Entropy of U(-bound, bound) in `dim` dimensions, in nats."""
    return dim * log(2 * bound)


def normal_entropy(dim: int) -> float:
    """Entropy of N(0, I) in `dim` dimensions, in nats."""
    return dim / 2 * log(2 * pi * e)
