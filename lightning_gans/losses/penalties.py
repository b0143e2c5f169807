"""Penalties on the discriminator's gradient, added to what D descends."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor


class Penalty(Protocol):
    """A term on D near real (N, ...) and fake (N, ...) samples: scalar, mean over samples."""

    def __call__(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor: ...


def squared_gradient_norm(discriminator: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """||grad_x D(x)||^2 of each sample, (N, ...) -> (N,), in float32 and differentiable."""
    with torch.autocast(x.device.type, enabled=False):
        x = x.detach().to(torch.promote_types(x.dtype, torch.float32)).requires_grad_()
        # Summing first keeps the samples' gradients apart: each logit depends on its own sample only.
        (gradient,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
    return gradient.square().flatten(1).sum(1)


class R1:
    """gamma / 2 E_p ||grad D(x)||^2 (Mescheder et al. 2018, 1801.04406, eq. 9). Not with batch norm in D."""

    def __init__(self, *, gamma: float) -> None:
        self.gamma = gamma

    def __call__(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        return self.gamma / 2 * squared_gradient_norm(discriminator, real).mean()
