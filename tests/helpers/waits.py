"""Calls that make the host wait for the device; on a CPU, where nothing waits, they would pass unnoticed."""

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

import lightning_gans

PACKAGE, TESTS = str(Path(lightning_gans.__file__).parent), str(Path(__file__).parents[1])
WAITING = {
    getattr(place, name)
    for place, names in {
        Tensor: "item tolist __bool__ __int__ __float__ __index__ __contains__ __format__ __repr__ __iter__ cpu numpy "
        "nonzero unique masked_select equal allclose bincount",
        torch: "nonzero unique masked_select equal allclose bincount",
    }.items()
    for name in names.split()
}


class Waits(TorchFunctionMode):
    """Context: notes the package's calls whose result or shape the host has to know before it can go on.

    Calls in torch itself are not seen: `one_hot` checks its classes on a CPU, and not on a GPU.

    seen: (function, line of code).
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, str]] = set()

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in WAITING or (func in (Tensor.__getitem__, Tensor.__setitem__) and _by_mask(args[1])):
            ours = (
                frame for frame in reversed(traceback.extract_stack()) if frame.filename.startswith((PACKAGE, TESTS))
            )
            if (frame := next(frame for frame in ours if frame.filename != __file__)).filename.startswith(PACKAGE):
                self.seen.add((func.__name__, f"{frame.filename}: {frame.line}"))
        return func(*args, **(kwargs or {}))


def _by_mask(index: Any) -> bool:
    """Return True for an index by booleans, whose number of selected elements is known to the device alone."""
    if isinstance(index, tuple):
        return any(map(_by_mask, index))
    return isinstance(index, Tensor) and index.dtype == torch.bool and index.dim() > 0
