"""Random streams: random numbers as a pure function of a key (seed, iteration, phase, draw).

Nothing random is ever stored: a stream is named by its key (seed, iteration, phase, ...), so a run that resumes,
or is split over more processes or micro-batches, draws the numbers it would have drawn.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import blake2b

import torch
from torch import Tensor


def stream_seed(*key: int | str) -> int:
    """Return a 63-bit seed for the stream named by `key`; different keys give independent streams.

    torch's CPU generator keeps the low 32 bits: among 10,000 streams two coincide with a probability of 1 %.
    """
    text = "/".join(map(str, key)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest()) >> 1


def stream(*key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a fresh generator on `device`, at the start of the stream named by `key`."""
    return torch.Generator(device).manual_seed(stream_seed(*key))


@contextmanager
def isolated(*key: int | str) -> Iterator[None]:
    """Context: a separate global seed; the random state of the process is restored afterwards."""
    # Only the device of this process: reading the others would claim memory on every GPU of the machine.
    devices = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(stream_seed(*key))
        yield


def seeded(seed: int) -> AbstractContextManager[None]:
    """Context: initial weights depend on `seed` only and equal those of a run with this seed."""
    return isolated(seed, "init")


class Draws:
    """Random draws of one training iteration, sliced from draws for the whole global batch.

    A draw for n samples is made for n * shards samples from a stream named by (seed, iteration, update, draw) and this
    shard's slice is returned. Shards are the micro-batches of all ranks, in order: two ranks, or one rank with two
    micro-batches, see the same numbers.

    Attributes:
        count: draws made since `start`; the next one's number.
    """

    def __init__(self, seed: int, device: torch.device | str = "cpu", *, shards: int = 1) -> None:
        self.seed, self.shards = seed, shards
        self._generator = torch.Generator(device)
        self._key: tuple[int | str, ...] = (seed,)
        self._shard = self.count = 0

    def start(self, iteration: int, update: int, shard: int) -> None:
        """Begin the draws of one update of one iteration, for one shard of the batch."""
        self._key = (self.seed, iteration, update)
        self._shard, self.count = shard, 0

    def sample(self, draw: Callable[[int, torch.Generator], Tensor], n: int) -> Tensor:
        """Sample this shard's n rows of `draw(n * shards, generator)`."""
        self._generator.manual_seed(stream_seed(*self._key, self.count))
        self.count += 1
        return draw(n * self.shards, self._generator)[self._shard * n : (self._shard + 1) * n]

    def uniform(self, n: int, *shape: int) -> Tensor:
        """Sample (n, *shape) from U(0, 1)."""
        return self.sample(lambda m, g: torch.rand(m, *shape, generator=g, device=g.device), n)

    def normal(self, n: int, *shape: int) -> Tensor:
        """Sample (n, *shape) from N(0, 1)."""
        return self.sample(lambda m, g: torch.randn(m, *shape, generator=g, device=g.device), n)
