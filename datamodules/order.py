"""Which samples an iteration sees, and how a labelled set is split: pure functions, so nothing needs to be stored."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lightning_gans.core.rng import stream


class Order:
    """The stream of sample indices of a run: epoch permutations, one after the other.

    Iteration i of a global batch of B reads positions i * B .. i * B + B - 1 of the stream; rank r of w reads the r-th
    of w equal parts of them. Epoch e's permutation comes from the random stream (seed, "order", e), so any position is
    found without the ones before it.
    """

    def __init__(
        self, size: int, *, batch: int, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> None:
        self.size, self.batch, self.seed, self.device = size, batch, seed, device
        self.rows = batch // world  # of this rank
        self.offset = rank * self.rows
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def indices(self, iteration: int) -> Tensor:
        """(batch / world,) int64 indices on `device`."""
        position, left = iteration * self.batch + self.offset, self.rows
        parts = []
        while left:
            epoch, start = divmod(position, self.size)
            count = min(left, self.size - start)
            parts.append(self._permutation(epoch)[start : start + count])
            position, left = position + count, left - count
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def lists(self, start: int, stop: int) -> Iterator[list[int]]:
        """The indices of iterations start .. stop - 1 as lists, for a DataLoader's batch_sampler."""
        return (self.indices(iteration).tolist() for iteration in range(start, stop))

    def _permutation(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            order = torch.randperm(self.size, generator=stream(self.seed, "order", epoch))
            self._epoch, self._order = epoch, order.to(self.device)
        return self._order


def stratified(labels: Tensor, count: int, *key: int | str) -> tuple[Tensor, Tensor]:
    """Split indices in two, every class in proportion: (the rest, exactly `count` of them), both ascending.

    labels: (N,) int64. The choice depends on the labels and `key` alone, never on a run's seed.
    """
    sizes = torch.bincount(labels)
    share = sizes.double() * count / len(labels)
    quota = share.floor().long()
    order = torch.argsort(share - quota, descending=True, stable=True)
    quota[order[: count - int(quota.sum())]] += 1  # largest remainders
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    for label, (size, take) in enumerate(zip(sizes.tolist(), quota.tolist(), strict=True)):
        members = (labels == label).nonzero().squeeze(1)
        chosen[members[torch.randperm(size, generator=stream(*key, label))[:take]]] = True
    return (~chosen).nonzero().squeeze(1), chosen.nonzero().squeeze(1)
