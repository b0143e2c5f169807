"""Opening of image sets, including data sets as image sets."""

import copy
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from datamodules import checks
from datamodules.base import SplitName
from datamodules.catalogue import CATALOGUE, data_class
from datamodules.image_sets.arrays import ArrayImages
from datamodules.image_sets.base import ImageSet
from datamodules.image_sets.facts import SetFacts
from datamodules.image_sets.files import FolderImages
from datamodules.images import ImageData
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError


def opened(
    facts: SetFacts,
    *,
    data_dir: str | Path = "data",
    settings: Mapping[str, Any] | None = None,
    size: int | None = None,
) -> ImageSet:
    """Open the set described by `facts`: a folder, an .npz or a data set.

    Args:
        data_dir: folder of data sets, also for downloads.
        settings: data settings by name (image_size, channels, holdout, ...); settings unknown to the set are ignored.
        size: height and width of the other set's images, adopted by a data set that supports this size.

    Raises:
        UserError: the set cannot be read, or its images differ in size.
    """
    given = dict(settings or {})
    if facts.kind == "data":
        return DataSetImages(facts, _data_module(facts, data_dir, given, size))
    cls = FolderImages if facts.kind == "folder" else ArrayImages
    taken = inspect.signature(cls.__init__).parameters
    return cls(facts, **{name: value for name, value in given.items() if name in taken})


def _data_module(facts: SetFacts, data_dir: str | Path, given: Mapping[str, Any], size: int | None) -> ImageData:
    cls, entry = data_class(facts.name), CATALOGUE[facts.name]
    assert entry.images is not None
    offered: dict[str, Any] = {
        "root": str(data_dir),
        "name": "lsun_bedroom" if facts.name == "lsun" else facts.name,
        "image_size": _size(size, entry.images.size),
        "channels": entry.images.channels,
    } | dict(given)
    taken = inspect.signature(cls.__init__).parameters
    found = cls(**{name: value for name, value in offered.items() if name in taken})
    assert isinstance(found, ImageData)
    return found


def _size(wanted: int | None, own: int) -> int:
    """Return the size at which a data set's images are read: the wanted size, their own, or 64."""
    sizes = {*checks.IMAGE_SIZES, *({28} if own == 28 else ())}
    return next((size for size in (wanted, own) if size is not None and size in sizes), 64)


class DataSetImages(ImageSet):
    """A split of a data set."""

    kind = "data"

    def __init__(self, facts: SetFacts, data: ImageData) -> None:
        assert facts.split is not None
        self.facts, self.text, self.data, self.name = facts, facts.text, data, facts.split
        self.split = data.split(facts.split)
        if len(self.split) < 2:
            empty = "; data.holdout is the number of its images" if facts.split == "validation" else ""
            raise UserError(
                f"{facts.key}={facts.text}: the {facts.split} split of {facts.name} has {len(self.split)} images"
                f"{empty}. Name another split: {facts.key}={facts.name}:test."
            )
        self.place = f"{facts.name}:{facts.split}"
        self.shape = (data.channels, data.image_size, data.image_size)
        self.labels, self.classes = self.split.labels, data.classes
        self.digest, self.digest_of = data.fingerprint, "content and preprocessing of the whole data set"

    def __len__(self) -> int:
        return len(self.split)

    @property
    def key(self) -> str:
        return f"{self.digest} {self.name}{self.share}"  # as for a run's reference: they share a cache

    def at_most(self, n: int) -> Self:
        if n >= len(self):
            return self
        part = copy.copy(self)
        part.split = self.split.at_most(n)
        part.labels, part.rows = part.split.labels, part.split.rows
        return part

    def batches(self, size: int) -> Iterator[SampleBatch]:
        return self.split.batches(size)

    def held_out(self) -> ImageSet | None:
        assert self.data is not None
        other: SplitName = "train" if self.name == "test" else "test"
        if len(self.data.split(other)) < 2:
            return None
        facts = self.facts
        named = SetFacts(facts.key, f"{facts.name}:{other}", "data", name=facts.name, split=other)
        return DataSetImages(named, self.data)
