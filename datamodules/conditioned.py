"""Images with condition vectors: attributes, or embeddings of captions."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import one_hot, pad

from datamodules import checks
from datamodules.bad_files import OnBadFile
from datamodules.condition_files import ConditionFile
from datamodules.digits import Digits
from datamodules.folder import Files, Folder
from datamodules.images import ImageData, InMemory
from datamodules.sources import Pictures, Source, Split, Tensors
from datamodules.survey import SPLITS, SplitName
from lightning_gans.core.batches import ConditionedBatch, SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Channels, Count, ExistingFolder, Fraction, ImageSize, Natural

__all__ = ["Attributes", "ConditionedData", "ConditionedSplit", "DigitsAttributes"]


class ConditionedSplit(Split):
    """Images and condition vectors for evaluation.

    conditions: (N, d) float32. labels: (N,) int64, or None.
    """

    def __init__(self, data: "ConditionedData", source: Source, finish: Callable[[Tensor], Tensor]) -> None:
        super().__init__(source, finish)
        self._data = data
        self._told()

    def _told(self) -> None:
        assert self._source.labels is not None
        rows = self._source.labels[self.rows]
        self.conditions, self.labels = self._data.table[rows], self._data.labels_of(rows)

    def take(self, places: Tensor) -> "ConditionedSplit":
        part = ConditionedSplit(self._data, self._source, self._finish)
        part.rows = self.rows[places]
        part._told()
        return part

    def batches(self, size: int) -> Iterator[Any]:
        """Yield all samples on the CPU, `size` at a time (the last batch may be smaller)."""
        for batch in super().batches(size):
            yield self._data.completed(batch)


class ConditionedData(ImageData):
    """Images, each with a condition vector of d numbers.

    Subclasses read sources whose labels are row indices of `table`, so that rows follow their images in any order.

    Attributes:
        condition_names: names of the d numbers.
        table: (rows, d) float32, the condition vectors.
    """

    batch: ClassVar[type] = ConditionedBatch
    contents: ClassVar[str] = "images"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._tables: dict[torch.device, Tensor] = {}

    @property
    def condition_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    @property
    def table(self) -> Tensor:
        raise NotImplementedError

    def table_on(self, device: torch.device) -> Tensor:
        """Return the table on a device; it is copied only once, so that batches do not wait for it."""
        if device not in self._tables:
            self._tables[device] = self.table.to(device)
        return self._tables[device]

    def labels_of(self, rows: Tensor) -> Tensor | None:
        """Return the classes (N,) int64 of rows of the table; None for data without classes."""
        return None

    def split(self, name: SplitName) -> ConditionedSplit:
        return ConditionedSplit(self, self.sources[checks.one_of("split", name, SPLITS)], self.finish)

    def completed(self, batch: SampleBatch) -> ConditionedBatch:
        """Replace the row indices of a batch by condition vectors."""
        rows = batch.label
        assert rows is not None
        condition = self.table_on(rows.device)[rows]
        return ConditionedBatch(batch.x, condition, self.labels_of(rows))

    def _batches(self, *arguments: Any) -> Iterator[Any]:
        for batch in super()._batches(*arguments):
            yield self.completed(batch)


def stroke_width(images: Tensor) -> Tensor:
    """Return the mean stroke width in pixels of images (N, H, W) in [0, 1]: twice area over perimeter, (N,).

    The perimeter is the total variation; a long stroke of width w and length l has an area of w l and a perimeter of
    about 2 l.
    """
    framed = pad(images, (1, 1, 1, 1))
    down = framed[:, 1:, :-1] - framed[:, :-1, :-1]
    right = framed[:, :-1, 1:] - framed[:, :-1, :-1]
    perimeter = (down.square() + right.square()).sqrt().sum((1, 2))
    return 2 * images.sum((1, 2)) / perimeter.clamp(min=1e-6)


def slant(images: Tensor) -> Tensor:
    """Return the slant in degrees of images (N, H, W) in [0, 1], positive to the right: (N,).

    It is the angle of the shear that removes the correlation of the ink's coordinates.
    """
    height, width = images.shape[1:]
    y, x = torch.arange(height).to(images)[:, None], torch.arange(width).to(images)[None, :]
    mass = images.sum((1, 2)).clamp(min=1e-6)[:, None, None]
    across = x - (images * x).sum((1, 2), keepdim=True) / mass
    upward = (images * y).sum((1, 2), keepdim=True) / mass - y
    shear = (images * across * upward).sum((1, 2)) / (images * upward.square()).sum((1, 2)).clamp(min=1e-6)
    return shear.atan().rad2deg()


class DigitsAttributes(Digits, ConditionedData):
    """scikit-learn's digits with 12 attributes: stroke width in pixels of the 8x8 image, slant in degrees, class.

    The class is encoded one-hot in ten numbers. Splits are those of `Digits`.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey), or 3 (the same three times).
        holdout: validation images; 0 leaves validation empty and trains on 1,617, None: 180.
    """

    batch: ClassVar[type] = ConditionedBatch

    def __init__(
        self,
        *,
        batch_size: Count = 64,
        image_size: ImageSize = 32,
        channels: Channels = 1,
        holdout: Natural | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels, holdout=holdout)

    @property
    def condition_names(self) -> tuple[str, ...]:
        return "stroke_width", "slant", *(f"digit_{name}" for name in self.classes)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{super().fingerprint}\nattributes/1".encode()).hexdigest()

    @property
    def table(self) -> Tensor:
        _ = self.sources
        return self._table

    def labels_of(self, rows: Tensor) -> Tensor:
        return self.table_on(rows.device)[rows, -len(self.classes) :].argmax(1)

    def read(self) -> Mapping[str, Source]:
        found, digits = super().read(), torch.from_numpy(load_digits().images).float() / 16
        sources: dict[str, Source] = {}
        tables, start = [], 0
        for name, rows in self.rows(len(digits)).items():
            source, own = found[name], digits[rows]
            assert isinstance(source, Tensors)
            assert source.labels is not None
            hot = one_hot(source.labels, len(self.classes)).float()
            tables.append(torch.cat([stroke_width(own)[:, None], slant(own)[:, None], hot], 1))
            sources[name] = Tensors(source.x, torch.arange(start, start + len(rows)))
            start += len(rows)
        self._table = torch.cat(tables)
        return sources


class Attributes(ConditionedData, Folder):
    """Image files below `root`, each with a condition vector of `conditions`: attributes, or a caption's embedding.

    Files become squares, and splits are found, as in `Folder`. A file of the table is given by its path below `root`,
    or by its name alone where no two images share it. Images without a condition vector are left out.

    Args:
        root: directory of the images.
        conditions: file of the condition vectors: a CSV file, whose header names the numbers and whose first column
            holds the image files; a text file as CelebA's list_attr_celeba.txt; or an npz file with arrays `files`
            (N,) and `conditions` (N, d), and perhaps `names` (d,).
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB); files are converted.
        load_size: height and width in pixels to which files are resized, `image_size` or more; from these a square of
            `image_size` is cropped for training, at a random place in every iteration. Held-out images are resized to
            `image_size`. None: no random crop.
        horizontal_flip: random mirroring of half of the training images, in every iteration.
        validation_share: share of the training files that is held out for validation, where there is no such directory;
            approximate, as a hash divides.
        test_share: share of the training files that is held out for the test, where there is no such directory.
        in_memory: decoded images held in one tensor; "auto": if that takes no more than 1 GiB.
        workers: processes that decode files if the pixels are not held in memory.
        on_bad_file: treatment of unreadable files: "skip" with one warning that names them, or an "error".
        holdout: validation images; 0 leaves validation empty and trains on the others, None: those of `val/`, or
            `validation_share`.

    Raises:
        UserError: no such folder or file, a table that cannot be read, or no image with a condition vector.
    """

    def __init__(
        self,
        *,
        root: ExistingFolder,
        conditions: str | Path,
        batch_size: Count = 64,
        image_size: ImageSize = 32,
        channels: Channels = 3,
        load_size: Count | None = None,
        horizontal_flip: bool = False,
        validation_share: Fraction = 0.1,
        test_share: Fraction = 0.1,
        in_memory: InMemory = "auto",
        workers: Natural = 2,
        on_bad_file: OnBadFile = "skip",
        holdout: Natural | None = None,
    ) -> None:
        super().__init__(
            root=root,
            batch_size=batch_size,
            image_size=image_size,
            channels=channels,
            load_size=load_size,
            horizontal_flip=horizontal_flip,
            validation_share=validation_share,
            test_share=test_share,
            in_memory=in_memory,
            workers=workers,
            on_bad_file=on_bad_file,
            holdout=holdout,
        )
        self.given = ConditionFile.read(conditions)

    @property
    def classes(self) -> None:
        """Return None: condition vectors replace class folders."""

    @property
    def why_unlabelled(self) -> str:
        return "They have condition vectors in the place of classes."

    @property
    def condition_names(self) -> tuple[str, ...]:
        return self.given.names

    @cached_property
    def table(self) -> Tensor:
        return torch.from_numpy(self.given.vectors)

    def _found(self) -> list[Any]:
        found = super()._found()
        known = self.given.rows_of([file.path for file in found])
        self._row = {file.path: row for file, row in zip(found, known, strict=True) if row is not None}
        self.without = [file.path for file in found if file.path not in self._row]
        if not self._row:
            raise UserError(
                f"data.conditions={self.given.path} names none of the images below data.root={self.root}: it begins "
                f"with {self.given.files[0]}, and the first image is {found[0].path if found else 'missing'}. Name "
                "files by their paths below data.root, or by their names."
            )
        return [file for file in found if file.path in self._row]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{super().fingerprint}\n{self.given.digest}".encode()).hexdigest()

    def _pictures(self, paths: Sequence[str], labels: Tensor | None) -> Pictures:
        rows = torch.tensor([self._row[path] for path in paths], dtype=torch.int64)
        return _Interchangeable(self.root, paths, rows, size=self.stored_size, channels=self.channels)

    def notes(self) -> list[str]:
        lines = super().notes()
        if self.without:
            more = f" and {len(self.without) - 1:,} more" if len(self.without) > 1 else ""
            lines.append(f"images without a condition vector are left out: {self.without[0]}{more}")
        return lines

    def _notes_on_classes(self) -> list[str]:
        return []


class _Interchangeable(Files):
    """Image files of which any may replace an unreadable one, because it has its own condition vector."""

    def replaces(self, index: int, other: int) -> bool:
        return True
