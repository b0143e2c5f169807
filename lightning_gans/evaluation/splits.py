"""Held-out and training samples of a data module for an evaluation."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Data, HasParts, HasSplits, Split, SplitName
from lightning_gans.core.interruption import poll

READ = 256  # samples read at a time
TRAIN, HELD_OUT = 5000, 2000  # samples read during training; the test reads all

Batch = TypeVar("Batch")
AnySplit = TypeVar("AnySplit", bound=Split[Any])


def held_out(data: HasSplits[AnySplit], split: SplitName, most: int = HELD_OUT) -> AnySplit:
    """Return the split, or `most` of its samples during training."""
    found = data.split(split)
    return found if split == "test" else found.at_most(most)


def train_part(data: HasSplits[AnySplit], split: SplitName) -> AnySplit:
    """Return the training samples for a measure on `split`."""
    found = data.split("train")
    return found if split == "test" else found.at_most(TRAIN)


def read(split: Split[Batch], size: int = READ) -> Iterator[Batch]:
    """Yield a split in batches of `size`, between which an evaluation may be stopped."""
    with activity("samples", len(split)) as report:
        for number, batch in enumerate(split.batches(size), 1):
            poll()
            yield batch
            report(min(number * size, len(split)))


def domains_of(data: object) -> Mapping[str, Data] | None:
    """Return the data modules of the two domains, source first; None if the data are no such pair."""
    parts = data.parts if isinstance(data, HasParts) else {}
    return {name: parts[name] for name in ("source", "target")} if {"source", "target"} <= set(parts) else None
