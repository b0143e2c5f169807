"""Held-out and training samples that an evaluation reads from a data module."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Data, HasParts, HasSplits, Split, SplitName
from lightning_gans.core.interruption import poll

READ = 256  # samples read at a time
TRAIN, HELD_OUT = 5000, 2000  # samples that are read while training goes on; the test is of all

Batch = TypeVar("Batch")
AnySplit = TypeVar("AnySplit", bound=Split[Any])


def held_out(data: HasSplits[AnySplit], split: SplitName, most: int = HELD_OUT) -> AnySplit:
    """The split, or `most` of it while training goes on."""
    found = data.split(split)
    return found if split == "test" else found.at_most(most)


def train_part(data: HasSplits[AnySplit], split: SplitName) -> AnySplit:
    """The training samples that go with a measure on `split`."""
    found = data.split("train")
    return found if split == "test" else found.at_most(TRAIN)


def read(split: Split[Batch], size: int = READ) -> Iterator[Batch]:
    """All of a split in batches of `size`, between which an evaluation may be left."""
    with activity("samples", len(split)) as report:
        for number, batch in enumerate(split.batches(size), 1):
            poll()
            yield batch
            report(min(number * size, len(split)))


def domains_of(data: object) -> Mapping[str, Data] | None:
    """The data modules of the two domains, source first; None where the data are no such pair."""
    parts = data.parts if isinstance(data, HasParts) else {}
    return {name: parts[name] for name in ("source", "target")} if {"source", "target"} <= set(parts) else None
