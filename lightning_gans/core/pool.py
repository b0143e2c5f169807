"""Image pool and replay buffer of earlier samples, as registered buffers: checkpointed and equal on every process."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Image pool (Shrivastava et al. 2017, 1612.07828, section 2.3), as in CycleGAN: D also gets earlier translations.

    While the pool fills, every image is stored and returned. From then on an image is returned unchanged with
    probability 1/2; otherwise it replaces a random stored image, which is returned instead.

    A query reads the pool as of the last commit, and a commit writes all images of the global batch in order. The pool
    is therefore the same on every process and for any number of micro-batches.

    Args:
        size: images.
        shape: of each, (C, H, W).

    Attributes:
        images: (size, C, H, W).
        count: () int64, how many of them are filled.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, *shape: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self._asked: list[tuple[Tensor, Tensor]] = []

    @property
    def size(self) -> int:
        return len(self.images)

    @torch.no_grad()
    def query(self, fresh: Tensor, uniform: Tensor) -> Tensor:
        """Return images (N, C, H, W) for D: generated images, some replaced by earlier ones from the pool; detached.

        uniform: (N, 2), U(0, 1): whether a stored image is returned, and which one.
        """
        fresh = fresh.detach()
        self._asked.append((fresh, uniform))
        old, slots = self._chosen(uniform)
        old = old & (self.count >= self.size)
        return torch.where(old.view(-1, *[1] * (fresh.dim() - 1)), self.images[slots].to(fresh), fresh)

    @torch.no_grad()
    def commit(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Store the queried images of all processes since the last commit.

        gather: (n, ...) on each process -> (n * processes, ...) on all, in rank order.
        """
        if not self._asked:
            return
        fresh, uniform = (gather(torch.cat(column).contiguous()) for column in zip(*self._asked, strict=True))
        self._asked = []
        fresh = fresh.to(self.images)
        rows = torch.arange(len(fresh), device=fresh.device)
        old, slots = self._chosen(uniform)
        full, free = self.count >= self.size, self.count + rows
        stored = torch.where(full, old, free < self.size)
        slots = torch.where(full, slots, free.clamp(max=self.size - 1))
        # If two images take one place, the later one stays. All rows of a place write the same image, so that the
        # write order of a kernel does not matter.
        rivals = (slots[:, None] == slots) & stored
        latest = torch.where(rivals, rows, -1).amax(1)
        kept = (latest < 0).view(-1, *[1] * (fresh.dim() - 1))
        self.images[slots] = torch.where(kept, self.images[slots], fresh[latest.clamp(min=0)])
        self.count.add_(len(fresh)).clamp_(max=self.size)

    def _chosen(self, uniform: Tensor) -> tuple[Tensor, Tensor]:
        return uniform[:, 0] < 0.5, (uniform[:, 1] * self.size).long().clamp_(max=self.size - 1)


class ReplayBuffer(nn.Module):
    """Replay buffer of the ends of Markov chains (Du & Mordatch 2019, 1903.08689, section 3.2).

    A ring buffer: the newest ends replace the oldest. Like ImagePool, it is read as of the last commit.

    Args:
        size: samples.
        shape: of each.
        fresh_share: of the chains that begin anew.

    Attributes:
        samples: (size, *shape).
        count: () int64, number of samples ever pushed.
    """

    samples: Tensor
    count: Tensor

    def __init__(self, size: int, *shape: int, fresh_share: float) -> None:
        super().__init__()
        self.fresh_share = fresh_share
        self.register_buffer("samples", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self._pushed: list[Tensor] = []

    @torch.no_grad()
    def starts(self, fresh: Tensor, uniform: Tensor) -> Tensor:
        """Return initial states of chains, (N, *shape): `fresh` samples or stored ones.

        uniform: (N, 2), U(0, 1): whether a chain starts from `fresh`, and which stored sample it continues otherwise.
        """
        filled = self.count.clamp(max=len(self.samples))
        anew = (uniform[:, 0] < self.fresh_share) | (filled == 0)
        slots = torch.minimum((uniform[:, 1] * filled).long(), filled - 1).clamp_(min=0)
        return torch.where(anew.view(-1, *[1] * (fresh.dim() - 1)), fresh, self.samples[slots].to(fresh))

    def push(self, ends: Tensor) -> None:
        """Record the ends of chains, (N, *shape), to be stored by the next commit."""
        self._pushed.append(ends.detach())

    @torch.no_grad()
    def commit(self, gather: Callable[[Tensor], Tensor]) -> None:
        """Store the recorded ends of all processes; `gather` as in ImagePool.commit."""
        if not self._pushed:
            return
        ends = gather(torch.cat(self._pushed).contiguous()).to(self.samples)
        self._pushed = []
        size = len(self.samples)
        places = (self.count + torch.arange(len(ends), device=ends.device)) % size
        self.samples[places[-size:]] = ends[-size:]
        self.count += len(ends)
