"""Constraints on a critic's weights, applied after each of its steps."""

from typing import ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from lightning_gans.settings import Positive


class Constraint(Protocol):
    """Constraint: projects a network's parameters onto an allowed set, in place."""

    def __call__(self, network: nn.Module) -> None: ...


class WeightClip:
    """Weight clipping to [-bound, bound], biases too (Arjovsky et al. 2017, 1701.07875, Algorithm 1).

    Args:
        bound: largest absolute value of a weight.
    """

    lipschitz: ClassVar[bool] = True

    def __init__(self, *, bound: Positive) -> None:
        self.bound = bound

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        torch._foreach_clamp_min_(list(network.parameters()), -self.bound)
        torch._foreach_clamp_max_(list(network.parameters()), self.bound)


def onto_ball(v: Tensor, p: Literal[1, 2, "inf"]) -> Tensor:
    """Project v (m,) onto the l_p unit ball; p = 1 by sorting (Duchi et al. 2008, figure 1)."""
    if p == "inf":
        return v.clamp(-1, 1)
    if p == 2:
        inside: Tensor = v / torch.linalg.vector_norm(v).clamp_min(1)
        return inside
    if v.abs().sum() <= 1:
        return v
    sizes = v.abs().sort(descending=True).values
    excess = (sizes.cumsum(0) - 1) / torch.arange(1, len(v) + 1, device=v.device)  # to subtract if j entries remain
    threshold = excess[(sizes > excess).sum() - 1]
    return v.sign() * (v.abs() - threshold).clamp_min(0)


def onto_stiefel(x: Tensor) -> Tensor:
    """Orthonormalise the columns of x (m, k), k <= m: Q of x = Q R with the diagonal of R above 0.

    Without this choice of signs, columns of Q may flip from one step to the next, and a moving average is meaningless.
    """
    q, r = torch.linalg.qr(x)
    oriented: Tensor = q * torch.where(r.diagonal() < 0, -1.0, 1.0).to(q)
    return oriented
