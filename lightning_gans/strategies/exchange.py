"""Gradient exchange between processes, of the moving player's parameters only."""

from collections.abc import Sequence
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

T = TypeVar("T")


def processes() -> int:
    """Return the number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the rank of this process among those that train together, from 0."""
    return dist.get_rank() if processes() > 1 else 0


def average_gradients(gradients: Sequence[Tensor]) -> None:
    """Replace each rank's gradients by their mean over all ranks, in one message; does nothing for one process."""
    world = processes()
    if world == 1 or not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat.div_(world)
    parts = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(list(gradients), [p.view_as(g) for p, g in zip(parts, gradients, strict=True)])


def average(values: Tensor) -> Tensor:
    """Average `values` over all ranks, in place; every rank must call it."""
    average_gradients([values])
    return values


def from_all(value: T) -> list[T]:
    """Gather every rank's value, in rank order; pickled, so not for every iteration. Every rank must call it."""
    values = [value] * processes()
    if len(values) > 1:
        dist.all_gather_object(values, value)
    return values


def all_agree(answer: bool, device: torch.device) -> bool:
    """Return True if the answer of every rank is True; every rank must call it."""
    if processes() == 1:
        return answer
    votes = torch.tensor(int(answer), device=device)
    dist.all_reduce(votes, op=dist.ReduceOp.MIN)
    return bool(votes.item())


def any_says(answer: bool, device: torch.device) -> bool:
    """Return True if the answer of any rank is True; every rank must call it."""
    return not all_agree(not answer, device)


def largest(value: float, device: torch.device) -> float:
    """Return the largest of the ranks' values; every rank must call it."""
    if processes() == 1:
        return value
    found = torch.tensor(value, device=device)
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return float(found)
