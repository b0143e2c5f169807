"""Sources of raw samples: a tensor in memory, or image files decoded by workers; both yield the same batches."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, Self

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.bad_files import Bad
from datamodules.pixels import FULL_RANGE, Levels, extremes, square
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream

Raw = tuple[Tensor, Tensor | None]  # samples as stored (N, ...), labels (N,)


class Source(Protocol):
    """Samples that can be read by index."""

    labels: Tensor | None  # (N,) int64

    def __len__(self) -> int: ...

    def on(self, device: torch.device) -> "Source":
        """Return a source with its samples on `device` if that is worthwhile, else itself."""
        ...

    @property
    def device(self) -> torch.device:
        """Return the device of the indices for `batch`."""
        ...

    def batches(self, indices: Iterable[Tensor], device: torch.device) -> Iterator[Raw]:
        """Yield one raw batch on `device` for each index tensor."""
        ...


class Tensors:
    """Samples in one tensor (N, ...): uint8 images or float points."""

    def __init__(self, x: Tensor, labels: Tensor | None = None) -> None:
        self.x, self.labels = x, labels

    def __len__(self) -> int:
        return len(self.x)

    @property
    def device(self) -> torch.device:
        return self.x.device

    def on(self, device: torch.device) -> "Tensors":
        if device == self.device or self.x.nbytes >= free_memory(device) / 4:
            return self
        return Tensors(self.x.to(device), None if self.labels is None else self.labels.to(device))

    def take(self, indices: Tensor) -> "Tensors":
        """Return the samples at `indices`, in that order."""
        return Tensors(self.x[indices], None if self.labels is None else self.labels[indices])

    def batches(self, indices: Iterable[Tensor], device: torch.device) -> Iterator[Raw]:
        pinned = device.type == "cuda" and self.device.type == "cpu"
        for rows in indices:
            x = self.x.index_select(0, rows)
            label = None if self.labels is None else self.labels.index_select(0, rows)
            if device != self.device:
                x = (x.pin_memory() if pinned else x).to(device, non_blocking=pinned)
                label = None if label is None else label.to(device)
            yield x, label


def free_memory(device: torch.device) -> float:
    """Return the free bytes of an accelerator; 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return 0


Extremes = tuple[int, int]  # smallest and largest pixel of files of 16 bits or more


class Picture(NamedTuple):
    """A decoded file. image: uint8 (channels, size, size)."""

    image: Tensor
    extremes: Extremes | None


class Decoded(NamedTuple):
    """Several decoded files. images: uint8 (n, channels, size, size). rows: their indices."""

    images: Tensor
    rows: list[int]
    bad: list[Bad]
    extremes: Extremes | None


def joined(extremes: Iterable[Extremes | None]) -> Extremes | None:
    """Merge the extremes of several parts."""
    known = [pair for pair in extremes if pair is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


class Pictures(ABC):
    """Image files, decoded on demand. Instances are sent to worker processes, so they pickle and hold no open files.

    Args:
        labels: (N,) int64 or None.
        size, channels: shape of the decoded uint8 squares.
        levels: black and white of files with more than 8 bits.
    """

    def __init__(self, labels: Tensor | None, *, size: int, channels: int, levels: Levels = FULL_RANGE) -> None:
        self.labels, self.size, self.channels, self.levels = labels, size, channels, levels

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def open(self, index: int) -> Image.Image:
        """Open a picture by PIL."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return the name of a sample for error messages."""

    def replaces(self, index: int, other: int) -> bool:
        """Return True if file `other` may replace an unreadable file `index` of a batch: it has the same class."""
        return self.labels is None or bool(self.labels[other] == self.labels[index])

    def extremes(self) -> Extremes | None:
        """Return the extremes of a few evenly spaced files, for subclasses that examine them."""
        return None

    def fit(self, picture: Image.Image) -> Tensor:
        """Convert a picture to a square, uint8 (channels, size, size)."""
        return square(picture, size=self.size, channels=self.channels, levels=self.levels)

    def read(self, index: int) -> Picture | Bad:
        """Decode a file, or return the reason for a failure."""
        try:
            with warnings.catch_warnings(action="ignore"), self.open(index) as picture:
                return Picture(self.fit(picture), extremes(picture))
        except UnidentifiedImageError:
            return Bad(self.name(index), "of no known image format")
        except Exception as error:  # decoders may raise any exception on a damaged file
            return Bad(self.name(index), f"{type(error).__name__}: {error}")


class _Decoder(Dataset[Any]):
    """A dataset that decodes lists of indices in a worker."""

    def __init__(self, pictures: Pictures, *, replace: bool) -> None:
        self.pictures, self.replace = pictures, replace

    def __getitems__(self, indices: list[int]) -> Decoded:
        read, rows, bad = list[Picture](), list[int](), list[Bad]()
        for index in indices:
            for candidate in self._candidates(index):
                picture = self.pictures.read(candidate)
                if isinstance(picture, Picture):
                    read.append(picture)
                    rows.append(candidate)
                    break
                bad.append(picture)
        images = torch.stack([picture.image for picture in read]) if read else torch.empty(0, dtype=torch.uint8)
        return Decoded(images, rows, bad, joined(picture.extremes for picture in read))

    def _candidates(self, index: int) -> Iterator[int]:
        """Yield the index, then the next ones of its class, so that a bad file keeps a batch's size and labels."""
        yield index
        for step in range(1, len(self.pictures) if self.replace else 1):
            other = (index + step) % len(self.pictures)
            if self.pictures.replaces(index, other):
                yield other


def _whole(batch: Any) -> Any:
    return batch


def decoded(
    pictures: Pictures, indices: Iterable[list[int]], *, workers: int, replace: bool, pin: bool = False
) -> Iterator[Decoded]:
    """Decode lists of indices in worker processes.

    replace: True if the next file of its class replaces an unreadable file.
    """
    loader: DataLoader[Any] = DataLoader(
        _Decoder(pictures, replace=replace),
        batch_sampler=indices,
        num_workers=workers,
        collate_fn=_whole,
        pin_memory=pin,
        generator=stream("workers"),  # otherwise it draws from the global random state
    )
    yield from loader


class Streamed:
    """Pictures that do not fit in memory: workers decode and resize them, batch by batch.

    Args:
        report: called with the unreadable files of each batch.
    """

    device = torch.device("cpu")

    def __init__(self, pictures: Pictures, *, workers: int, report: Callable[[list[Bad]], None]) -> None:
        self.pictures, self.labels, self.workers, self.report = pictures, pictures.labels, workers, report

    def __len__(self) -> int:
        return len(self.pictures)

    def on(self, device: torch.device) -> "Streamed":
        return self

    def batches(self, indices: Iterable[Tensor], device: torch.device) -> Iterator[Raw]:
        lists = (rows.tolist() for rows in indices)
        pin = device.type == "cuda"
        for images, rows, bad, _ in decoded(self.pictures, lists, workers=self.workers, replace=True, pin=pin):
            if bad:
                self.report(bad)
            if not rows:
                raise UserError(f"None of the image files can be read; the first is {bad[0]}.")
            label = None if self.labels is None else self.labels[rows].to(device)
            yield images.to(device, non_blocking=pin), label


class Split:
    """Samples for evaluation, in a fixed order and without augmentation.

    labels: (N,) int64 or None. rows: (N,) int64 rows of the samples in their source.
    """

    def __init__(self, source: Source, finish: Callable[[Tensor], Tensor], rows: Tensor | None = None) -> None:
        self._source, self._finish = source, finish
        self.rows = torch.arange(len(source)) if rows is None else rows
        self.labels = source.labels if rows is None or source.labels is None else source.labels[rows]

    def __len__(self) -> int:
        return len(self.rows)

    def at_most(self, n: int) -> Self:
        """Return a fixed random subset of n samples, in order; all samples if there are no more."""
        if n >= len(self):
            return self
        return self.take(torch.randperm(len(self), generator=stream("split"))[:n].sort().values)

    def take(self, places: Tensor) -> Self:
        """Return the samples at `places` (n,) of this split, in that order."""
        return type(self)(self._source, self._finish, self.rows[places])

    def batches(self, size: int) -> Iterator[SampleBatch]:
        """Yield all samples on the CPU, `size` at a time (the last batch may be smaller)."""
        rows = torch.split(self.rows, size) if len(self) else ()
        for raw, label in self._source.batches(rows, torch.device("cpu")):
            yield SampleBatch(self._finish(raw), label)
