"""Sets of images for an evaluation: folders, .npz files and data sets, each read once, part by part.

A set is read as the data modules read images, but keeps its images' own size unless one is asked for.
"""

import hashlib
import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules import arrays, checks, pixels
from datamodules.bad_files import Bad, BadFiles
from datamodules.base import SplitName
from datamodules.catalogue import CATALOGUE, data_class
from datamodules.findings import listed
from datamodules.folder import Files
from datamodules.images import ImageData
from datamodules.set_facts import SetFacts, shape_of, split_files
from datamodules.sources import decoded
from datamodules.survey import ImageFile, class_names, sizes
from lightning_gans.core.activity import activity
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream

Shape = tuple[int, int, int]  # (C, H, W)

HASHED_BYTES = 2**31  # files of up to this much are digested by their content, more by names, sizes and times
READ = 64  # images of a file that are decoded at a time
MANY = 512  # images from which on workers decode
OF_FILES = ("image_size", "channels", "black", "white", "on_bad_file", "workers")  # settings of folders
OF_ARRAYS = ("image_size", "channels")


def settings_of(facts: SetFacts) -> tuple[str, ...]:
    """The settings (data.image_size, ...) that a set of this kind takes."""
    if facts.kind == "data":
        taken = inspect.signature(data_class(facts.name).__init__).parameters
        return tuple(name for name in taken if name not in ("self", "batch_size", "root", "name"))
    return {"folder": OF_FILES, "npz": OF_ARRAYS}.get(facts.kind, ())


def opened(
    facts: SetFacts, *, data_dir: str | Path = "data", settings: Mapping[str, Any] | None = None, size: int | None = None
) -> "ImageSet":
    """The set that `facts` name: a folder, an .npz or a data set.

    Args:
        data_dir: where data sets lie, or are downloaded to.
        settings: of the data by name (image_size, channels, holdout, ...); those that the set has not are left alone.
        size: height and width of the other set's images, which a data set takes where it has that size.

    Raises:
        UserError: a set that cannot be read, or images of several sizes.
    """
    given = {name: value for name, value in (settings or {}).items() if name in settings_of(facts)}
    if facts.kind == "data":
        return DataSetImages(facts, _data_module(facts, data_dir, given, size))
    assert facts.place is not None
    return (FolderImages if facts.kind == "folder" else ArrayImages)(facts, **given)


def _data_module(facts: SetFacts, data_dir: str | Path, given: dict[str, Any], size: int | None) -> ImageData:
    cls, entry = data_class(facts.name), CATALOGUE[facts.name]
    assert entry.images is not None
    taken = inspect.signature(cls.__init__).parameters
    made: dict[str, Any] = {"image_size": _size(facts.name, size), "channels": entry.images.channels}
    made |= {"root": str(data_dir)} if "root" in taken else {}
    made |= {"name": "lsun_bedroom" if facts.name == "lsun" else facts.name} if "name" in taken else {}
    found = cls(**made | given)
    assert isinstance(found, ImageData)
    return found


def _size(name: str, wanted: int | None) -> int:
    """The size that a data set's images are read at: the wanted one, their own, or 64 where it has neither."""
    entry = CATALOGUE[name]
    assert entry.images is not None
    sizes = {*checks.IMAGE_SIZES, *({28} if entry.images.size == 28 else ())}
    return next((size for size in (wanted, entry.images.size) if size in sizes), 64)


class ImageSet:
    """Images of one size and their labels, in a fixed order.

    Attributes:
        kind: "folder", "npz" or "data".
        text: how it was named.
        shape: (C, H, W).
        labels: (N,) int64, or None.
        classes: names of the labels, or None.
        digest: sha256 (hex) of the content; digest_of: a description of what it is taken of.
        key: names the set's features in a cache.
        data: the data module that a classifier of its labels is trained on; None: the set itself.
        whole: how many images the whole set has, where this is a part of it.
    """

    kind: str
    text: str
    shape: Shape
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    digest: str
    digest_of: str = "content"
    data: ImageData | None = None
    whole: int | None = None

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def key(self) -> str:
        size = "x".join(map(str, self.shape))
        part = "" if self.whole is None else f", {len(self)} of {self.whole}"
        return f"{self.kind} {self.digest} {size}{part}"

    @property
    def place(self) -> str:
        """The path of the set, or the data set's name and split."""
        raise NotImplementedError

    def at_most(self, n: int) -> Self:
        """n of the images, chosen at random once and for all, in order; all of them where there are no more."""
        if n >= len(self):
            return self
        chosen = torch.randperm(len(self), generator=stream("split"))[:n].sort().values
        part = self.part(chosen)
        part.whole = len(self)
        return part

    def part(self, rows: Tensor) -> Self:
        """The images at `rows`, ascending."""
        raise NotImplementedError

    def batches(self, size: int) -> Iterator[SampleBatch]:
        """The images, about `size` at a time: (b, C, H, W) float32 in [-1, 1]. Files that cannot be read are left out."""
        raise NotImplementedError

    def held_out(self) -> "ImageSet | None":
        """Other real images of the same data: their other split. None where there are none."""
        return None

    def notes(self) -> list[str]:
        """Findings in the files, a line each, once they have been read."""
        return []


class DataSetImages(ImageSet):
    """A split of a data set."""

    kind = "data"

    def __init__(self, facts: SetFacts, data: ImageData) -> None:
        assert facts.split is not None
        self.facts, self.text, self.data, self.split_name = facts, facts.text, data, facts.split
        self._split = data.split(facts.split)
        if len(self._split) < 2:
            raise UserError(
                f"{facts.key}={facts.text}: {facts.name} has {len(self._split)} images in its {facts.split} split"
                f"{'; data.holdout says how many' if facts.split == 'validation' else ''}. Name another split."
            )
        self.shape = (data.channels, data.image_size, data.image_size)
        self.labels, self.classes = self._split.labels, data.classes
        self.digest, self.digest_of = data.fingerprint, "content and preprocessing of the whole data set"

    def __len__(self) -> int:
        return len(self._split)

    @property
    def key(self) -> str:
        part = "" if self.whole is None else f", {len(self)} of {self.whole}"
        return f"{self.digest} {self.split_name}{part}"  # as of a run's reference, so that they share a cache

    @property
    def place(self) -> str:
        return f"{self.facts.name}:{self.split_name}"

    def part(self, rows: Tensor) -> Self:
        raise NotImplementedError("a data set is divided by at_most")

    def at_most(self, n: int) -> Self:
        found = type(self)(self.facts, self.data) if self.data is not None else self
        if n < len(self):
            found._split, found.whole = self._split.at_most(n), len(self)
            found.labels = found._split.labels
        return found

    def batches(self, size: int) -> Iterator[SampleBatch]:
        return self._split.batches(size)

    def held_out(self) -> ImageSet | None:
        assert self.data is not None
        other: SplitName = "train" if self.split_name == "test" else "test"
        if len(self.data.split(other)) < 2:
            return None
        return DataSetImages(_other(self.facts, self.facts.name, other), self.data)


class FolderImages(ImageSet):
    """Image files of a folder, at any depth; class folders are labels by the rules of `Folder`.

    Args:
        image_size: height and width that the centre square is brought to; None: images keep their size.
        channels: 1 or 3; None: 1 where all files are grey.
        black, white, on_bad_file, workers: as of `Folder`.
    """

    kind = "folder"

    def __init__(
        self,
        facts: SetFacts,
        *,
        image_size: int | None = None,
        channels: int | None = None,
        black: float = 0.0,
        white: float | None = None,
        on_bad_file: Any = "skip",
        workers: int = 2,
    ) -> None:
        assert facts.place is not None
        self.facts, self.text, self.root, self.workers = facts, facts.text, facts.place, workers
        self.levels = checks.levels(black, white)
        self.bad = BadFiles(on_bad_file, kind="image file")
        self._settings = dict(
            image_size=image_size, channels=channels, black=black, white=white, on_bad_file=on_bad_file, workers=workers
        )
        said = facts.split is not None
        self.files, _ = split_files(facts.key, facts.text, self.root, facts.split or "train", said=said)
        self.size = image_size if image_size is None else checks.whole("image_size", image_size, least=1)
        self.shape = self._look(None if channels is None else checks.channels(channels))
        names = class_names(self.files)
        numbers = {name: number for number, name in enumerate(names)}
        self.classes = names or None
        self.labels = torch.tensor([numbers[file.folder] for file in self.files]) if names else None
        self.digest, self.digest_of = self._digest()

    def _look(self, channels: int | None) -> Shape:
        """The shape that the images have; files whose header cannot be read are left out."""
        with activity("looking at image files", None):
            looked = sizes(self.root, [file.path for file in self.files])
        known = {file.path for file in looked}
        if unread := [file.path for file in self.files if file.path not in known]:
            self._report(Bad(path, "of no known image format, or damaged") for path in unread)
            self.files = [file for file in self.files if file.path in known]
        if len(looked) < 2:
            raise UserError(
                f"{self.facts.key}={self.text}: {len(looked)} of its images can be read; "
                f"{next(iter(self.bad), 'none')} is {next(iter(self.bad.values()), 'missing')}. Name another folder."
            )
        found, height, width = shape_of(self.facts.key, self.text, looked, resized=self.size is not None)
        return channels or found, self.size or height, self.size or width

    def _digest(self) -> tuple[str, str]:
        digest = hashlib.sha256(f"{self.levels}".encode() if self.levels != pixels.FULL_RANGE else b"")
        whole = sum(file.size for file in self.files) <= HASHED_BYTES
        with activity("digest of image files", None):
            for file in self.files:
                digest.update(f"{file.inner}\0{file.size}\0".encode(errors="surrogateescape"))
                digest.update((self.root / file.path).read_bytes() if whole else f"{file.modified}\0".encode())
        return digest.hexdigest(), "names and content" if whole else "names, sizes and times"

    def __len__(self) -> int:
        return len(self.files)

    @property
    def place(self) -> str:
        return str(self.root)

    def part(self, rows: Tensor) -> Self:
        found = type(self).__new__(type(self))
        found.__dict__ |= self.__dict__
        found.files = [self.files[row] for row in rows.tolist()]
        found.labels = None if self.labels is None else self.labels[rows]
        return found

    def batches(self, size: int) -> Iterator[SampleBatch]:
        channels, *sides = self.shape
        pictures = OwnSize(
            self.root,
            [file.path for file in self.files],
            self.labels,
            sides=(sides[1], sides[0]),
            size=self.size,
            channels=channels,
            levels=self.levels,
        )
        chunks = (rows.tolist() for rows in torch.arange(len(self)).split(min(size, READ)))
        workers = self.workers if len(self) > MANY else 0
        for images, rows, bad, _ in decoded(pictures, chunks, workers=workers, replace=False):
            self._report(bad)
            if rows:
                yield SampleBatch(pixels.normalise(images), None if self.labels is None else self.labels[rows])

    def held_out(self) -> ImageSet | None:
        if self.facts.split is None:
            return None
        other: SplitName = "train" if self.facts.split == "test" else "test"
        try:
            return FolderImages(_other(self.facts, str(self.root), other), **self._settings)
        except UserError:
            return None

    def notes(self) -> list[str]:
        if not self.bad:
            return []
        left = (f"{name} ({reason})" for name, reason in self.bad.items())
        return [listed(f"{len(self.bad):,} image files of {self.text} cannot be read and are left out", left)]

    def _report(self, bad: Iterator[Bad] | Sequence[Bad]) -> None:
        with warnings.catch_warnings(action="ignore"):  # `notes` tells of them
            self.bad.report(bad)


class OwnSize(Files):
    """Image files that keep their size.

    Args:
        sides: the width and height that they have; a file of another size is a bad one.
        size: height and width that the centre square is brought to, in the place of their own.
    """

    def __init__(
        self,
        root: Path,
        paths: Sequence[str],
        labels: Tensor | None,
        *,
        sides: tuple[int, int],
        size: int | None,
        channels: int,
        levels: pixels.Levels,
    ) -> None:
        super().__init__(root, paths, labels, size=size or 0, channels=channels, levels=levels)
        self.sides = sides

    def fit(self, picture: Image.Image) -> Tensor:
        if self.size:
            return super().fit(picture)
        image = pixels.whole(picture, channels=self.channels, levels=self.levels)
        if image.shape[:0:-1] != self.sides:
            raise ValueError(f"it is {image.shape[2]}x{image.shape[1]}, not {self.sides[0]}x{self.sides[1]}")
        return image


class ArrayImages(ImageSet):
    """The images of an .npz: uint8, or floats in [-1, 1], [0, 1] or [0, 255], whichever is the least that holds them.

    Args:
        image_size, channels: as of FolderImages.
    """

    kind = "npz"

    def __init__(self, facts: SetFacts, *, image_size: int | None = None, channels: int | None = None) -> None:
        assert facts.place is not None
        self.facts, self.text, self.path = facts, facts.text, facts.place
        self.array = arrays.described(self.path)
        self.size = image_size if image_size is None else checks.whole("image_size", image_size, least=1)
        channels = self.array.channels if channels is None else checks.channels(channels)
        self.shape = (channels, self.size or self.array.height, self.size or self.array.width)
        self._rows: Tensor | None = None
        self.digest, self.range = self._read_through()

    def _read_through(self) -> tuple[str, tuple[float, float]]:
        """The digest of all images, and the range of values that is black to white."""
        digest, low, high = hashlib.sha256(), float("inf"), float("-inf")
        with activity("reading the array", self.array.images) as report:
            for number, part in enumerate(arrays.rows(self.path, self.array, READ), 1):
                digest.update(np.ascontiguousarray(part).data)
                if part.dtype != np.uint8:
                    low, high = min(low, float(part.min())), max(high, float(part.max()))
                    if not np.isfinite(part).all():
                        raise UserError(
                            f"{self.facts.key}={self.text} holds NaN or infinite numbers, the first in its images "
                            f"{(number - 1) * READ:,} to {number * READ - 1:,}. Mend or remove these images."
                        )
                report(min(number * READ, self.array.images))
        return digest.hexdigest(), self._range(low, high)

    def _range(self, low: float, high: float) -> tuple[float, float]:
        if self.array.dtype == "|u1":
            return 0.0, 255.0
        for black, white in ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)):
            if black - 1e-3 <= low and high <= white + 1e-3:
                return black, white
        raise UserError(
            f"{self.facts.key}={self.text}: its values are from {low:g} to {high:g}, and images are in [0, 1], [-1, 1] "
            "or [0, 255]. Scale them, or write them as uint8."
        )

    def __len__(self) -> int:
        return self.array.images if self._rows is None else len(self._rows)

    @property
    def place(self) -> str:
        return str(self.path)

    def part(self, rows: Tensor) -> Self:
        found = type(self).__new__(type(self))
        found.__dict__ |= self.__dict__
        found._rows = rows if self._rows is None else self._rows[rows]
        return found

    def batches(self, size: int) -> Iterator[SampleBatch]:
        chosen = None
        if self._rows is not None:
            chosen = torch.zeros(self.array.images, dtype=torch.bool)
            chosen[self._rows] = True
        first = 0
        for part in arrays.rows(self.path, self.array, min(size, READ)):
            x = torch.from_numpy(np.ascontiguousarray(part))
            if chosen is not None:
                x = x[chosen[first : first + len(part)]]
            first += len(part)
            if len(x):
                yield SampleBatch(self._finish(x), None)

    def _finish(self, x: Tensor) -> Tensor:
        black, white = self.range
        if x.dtype != torch.uint8:
            x = (x.float() - black) * (255 / (white - black))
        if self.shape != (self.array.channels, self.array.height, self.array.width):
            side = min(x.shape[2:])
            top, left = ((length - side) // 2 for length in x.shape[2:])
            square = x[:, :, top : top + side, left : left + side] if self.size else x
            x = pixels.fit(square, size=self.size or x.shape[-1], channels=self.shape[0])
        return pixels.normalise(x)

    def notes(self) -> list[str]:
        if self.array.dtype == "|u1":
            return []
        black, white = self.range
        return [f"{self.text}: its floats are taken as {black:g} for black to {white:g} for white"]


def _other(facts: SetFacts, name: str, split: SplitName) -> SetFacts:
    """The same data by another split."""
    return SetFacts(facts.key, f"{name}:{split}", facts.kind, facts.place, name=facts.name, split=split)


__all__ = ["ArrayImages", "DataSetImages", "FolderImages", "ImageFile", "ImageSet", "opened", "settings_of"]
