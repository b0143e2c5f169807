"""Float32 losses for networks of any precision.

bf16 has three significant digits: a difference of two means of logits, an exponential, or a cross-entropy near its
optimum loses them all. Autocast widens only some operations, on some devices, so losses convert their inputs.
"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

WIDE = torch.float32, torch.float64


def exact(x: Tensor) -> Tensor:
    """Convert x to float32; float32 and float64 stay as they are."""
    return x if x.dtype in WIDE else x.to(torch.promote_types(x.dtype, torch.float32))


def on_exact(loss: Callable[P, R]) -> Callable[P, R]:
    """Wrap a loss so that its tensors are converted to float32 at least."""

    @wraps(loss)
    def widened(*args: P.args, **kwargs: P.kwargs) -> R:
        wide = [exact(value) if isinstance(value, Tensor) else value for value in args]
        wide_by_name = {name: exact(value) if isinstance(value, Tensor) else value for name, value in kwargs.items()}
        return loss(*wide, **wide_by_name)  # type: ignore[arg-type]

    return widened
