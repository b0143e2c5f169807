"""Gradient reversal layer (Ganin and Lempitsky 2015, 1409.7495): identity forward, reversed gradient backward."""

from typing import Any

from torch import Tensor
from torch.autograd import Function


class _Reversal(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.weight * gradients[0], None


def reverse_gradient(x: Tensor, weight: float) -> Tensor:
    """Return x, of any shape; its gradient is multiplied by -weight.

    Layers above descend their loss unchanged; layers below ascend `weight` times that loss.
    """
    reversed_: Tensor = _Reversal.apply(x, weight)
    return reversed_
