"""Composite data modules: several parts, each a data module, sampled independently."""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from datamodules.base import DataModule
from datamodules.sources import Source
from lightning_gans.core.rng import stream_seed


class Composite(DataModule):
    """A combination of several data modules. Subclasses define `parts`, and `join` their batches into one type.

    Every part keeps its own splits (`data.parts["a"].split("test")`), normalisation and order, keyed by its name. The
    `split` of the composite is that of its first part.
    """

    @cached_property
    def parts(self) -> Mapping[str, DataModule]:
        """Return the parts by name, with batches of `batch_size`; created at the first use."""
        raise NotImplementedError

    def join(self, batches: Mapping[str, Any]) -> Any:
        """Join one batch of each part into one typed batch."""
        raise NotImplementedError

    @property
    def first(self) -> DataModule:
        return next(iter(self.parts.values()))

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.first.classes

    @property
    def fingerprint(self) -> str:
        text = "\n".join(f"{name} {part.fingerprint}" for name, part in self.parts.items())
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self) -> Mapping[str, Source]:
        return self.first.sources

    def finish(self, raw: Tensor) -> Tensor:
        return self.first.finish(raw)

    def setup(self, stage: str | None = None) -> None:
        for part in self.parts.values():
            part.setup(stage)

    def notes(self) -> list[str]:
        return [f"{name}: {note}" for name, part in self.parts.items() for note in part.notes()]

    def _batches(
        self, start: int, stop: int, seed: int, rank: int, world: int, device: torch.device, stream: str
    ) -> Iterator[Any]:
        streams = {
            name: part.iteration_batches(start, stop, stream_seed(seed, name), rank, world, device, stream)
            for name, part in self.parts.items()
        }
        for batches in zip(*streams.values(), strict=True):
            yield self.join(dict(zip(streams, batches, strict=True)))
