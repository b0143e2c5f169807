"""ImageSet: images of one size in a fixed order, read in batches."""

import copy
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor

from datamodules.images import ImageData
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.rng import stream

Shape = tuple[int, int, int]  # (C, H, W)


LARGEST = 4096  # largest image size in pixels: 64 images take 13 GB in float32


class ImageSet:
    """Images of one size and their labels, in a fixed order. Only one batch is held in memory at a time.

    Attributes:
        kind: "folder", "npz" or "data".
        text: the name as typed.
        place: its path, or the name and split of a data set.
        shape: (C, H, W).
        labels: (N,) int64, or None.
        classes: names of the labels, or None.
        digest: sha256 (hex) of the content. digest_of: a description of the hashed content.
        data: the data module for the training of a classifier of the labels; None: the set itself.
        rows: rows of the whole set, (N,) int64 ascending, if this is a subset.
    """

    kind: str
    text: str
    place: str
    shape: Shape
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    digest: str
    digest_of: str = "content"
    data: ImageData | None = None
    rows: Tensor | None = None

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def key(self) -> str:
        """Return the key of the set's features in a cache."""
        return f"{self.kind} {self.digest} {'x'.join(map(str, self.shape))}{self.share}"

    @property
    def share(self) -> str:
        return "" if self.rows is None else f" at most {len(self)}"

    def at_most(self, n: int) -> Self:
        """Return a fixed random subset of n images, in order; all images if there are no more."""
        if n >= len(self):
            return self
        part = copy.copy(self)
        part.take(torch.randperm(len(self), generator=stream("split"))[:n].sort().values)
        return part

    def take(self, rows: Tensor) -> None:
        """Keep only the images at `rows`, in ascending order."""
        self.rows = rows if self.rows is None else self.rows[rows]
        self.labels = None if self.labels is None else self.labels[rows]

    def batches(self, size: int) -> Iterator[SampleBatch]:
        """Yield the images, at most `size` at a time: (b, C, H, W) float32 in [-1, 1].

        Unreadable files are skipped.
        """
        raise NotImplementedError

    def held_out(self) -> "ImageSet | None":
        """Return other real images of the same data: test, or train if this is test. None if there are none."""
        return None

    def notes(self) -> list[str]:
        """Return findings in the files, one per line, after they have been read."""
        return []
