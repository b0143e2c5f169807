"""Order of training samples, and splits of labelled sets: pure functions of a seed, without stored state."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lightning_gans.core.rng import stream


class Order:
    """The stream of sample indices of a run: a concatenation of epoch permutations.

    Iteration i with global batch size B reads positions i * B .. i * B + B - 1 of the stream; rank r of w reads the
    r-th of w equal parts. The permutation of epoch e comes from the random stream (seed, "order", e), so any position
    is computed without the earlier ones.
    """

    def __init__(
        self, size: int, *, batch: int, seed: int, rank: int = 0, world: int = 1, device: torch.device | str = "cpu"
    ) -> None:
        self.size, self.batch, self.seed, self.device = size, batch, seed, device
        self.rows = batch // world  # rows of this rank
        self.offset = rank * self.rows
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def indices(self, iteration: int) -> Tensor:
        """Return (batch / world,) int64 indices on `device`."""
        position, left = iteration * self.batch + self.offset, self.rows
        parts = []
        while left:
            epoch, start = divmod(position, self.size)
            count = min(left, self.size - start)
            parts.append(self._permutation(epoch)[start : start + count])
            position, left = position + count, left - count
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def lists(self, start: int, stop: int) -> Iterator[list[int]]:
        """Yield the indices of iterations start .. stop - 1 as lists, for a DataLoader's batch_sampler."""
        return (self.indices(iteration).tolist() for iteration in range(start, stop))

    def _permutation(self, epoch: int) -> Tensor:
        if epoch != self._epoch:
            order = torch.randperm(self.size, generator=stream(self.seed, "order", epoch))
            self._epoch, self._order = epoch, order.to(self.device)
        return self._order


def held_out(size: int, count: int, *key: int | str) -> tuple[Tensor, Tensor]:
    """Split indices 0 .. size - 1 in two: (the rest, `count` drawn at random), both ascending.

    The split is not stratified: a held-out set with exact class proportions varies less than a random sample of that
    size, and its FID would be unreachable for any generator. The choice depends only on `key`, never on a run's seed.
    """
    chosen = torch.zeros(size, dtype=torch.bool)
    chosen[torch.randperm(size, generator=stream(*key))[:count]] = True
    return (~chosen).nonzero().squeeze(1), chosen.nonzero().squeeze(1)
