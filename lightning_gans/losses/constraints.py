"""Constraints on a critic's weights, restored after each of its steps."""

from typing import Protocol

import torch
from torch import nn


class Constraint(Protocol):
    """Brings a network's parameters back to where they may be, in place."""

    def __call__(self, network: nn.Module) -> None: ...


class WeightClip:
    """Every parameter into [-bound, bound], biases too (Arjovsky et al. 2017, 1701.07875, Algorithm 1)."""

    def __init__(self, *, bound: float) -> None:
        self.bound = bound

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> None:
        torch._foreach_clamp_min_(list(network.parameters()), -self.bound)
        torch._foreach_clamp_max_(list(network.parameters()), self.bound)
