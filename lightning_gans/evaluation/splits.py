"""Held-out and training samples that an evaluation reads from a data module."""

from collections.abc import Iterator
from typing import Any

from lightning_gans.core.interruption import poll

READ = 256  # samples read at a time
TRAIN, HELD_OUT = 5000, 2000  # samples that are looked at while training goes on; the test is of all


def held_out(data: Any, split: str, most: int = HELD_OUT) -> Any:
    """The split, or `most` of it while training goes on."""
    found = data.split(split)
    return found if split == "test" else found.at_most(most)


def train_part(data: Any, split: str) -> Any:
    """The training samples that go with a measure on `split`."""
    found = data.split("train")
    return found if split == "test" else found.at_most(TRAIN)


def read(split: Any, size: int = READ) -> Iterator[Any]:
    """All of a split in batches of `size`, between which an evaluation may be left."""
    for batch in split.batches(size):
        poll()
        yield batch


def domains_of(data: Any) -> dict[str, Any] | None:
    """The data modules of the two domains, source first; None where the data are no such pair."""
    parts = getattr(data, "parts", {})
    return {name: parts[name] for name in ("source", "target")} if {"source", "target"} <= set(parts) else None
