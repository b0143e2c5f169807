"""ImageSet: images of one size in a fixed order, read part by part."""

import copy
from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor

from datamodules.images import ImageData
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.rng import stream

Shape = tuple[int, int, int]  # (C, H, W)


LARGEST = 4096  # pixels that images are brought to: 64 of them take 13 GB in float32


class ImageSet:
    """Images of one size and their labels, in a fixed order. Only a batch of them is held at a time.

    Attributes:
        kind: "folder", "npz" or "data".
        text: how it was named.
        place: its path, or the name and split of a data set.
        shape: (C, H, W).
        labels: (N,) int64, or None.
        classes: names of the labels, or None.
        digest: sha256 (hex) of the content. digest_of: a description of what it is taken of.
        data: the data module that a classifier of the labels is trained on; None: the set itself.
        rows: of the whole set, (N,) int64 ascending, where this is a part of it.
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
        """The name of the set's features in a cache."""
        return f"{self.kind} {self.digest} {'x'.join(map(str, self.shape))}{self.share}"

    @property
    def share(self) -> str:
        return "" if self.rows is None else f" at most {len(self)}"

    def at_most(self, n: int) -> Self:
        """n of the images, chosen at random once and for all, in order; all of them where there are no more."""
        if n >= len(self):
            return self
        part = copy.copy(self)
        part.take(torch.randperm(len(self), generator=stream("split"))[:n].sort().values)
        return part

    def take(self, rows: Tensor) -> None:
        """Keep the images at `rows`, ascending, alone."""
        self.rows = rows if self.rows is None else self.rows[rows]
        self.labels = None if self.labels is None else self.labels[rows]

    def batches(self, size: int) -> Iterator[SampleBatch]:
        """The images, at most `size` at a time: (b, C, H, W) float32 in [-1, 1].

        Files that cannot be read are left out.
        """
        raise NotImplementedError

    def held_out(self) -> "ImageSet | None":
        """Other real images of the same data: their test split, or train in the place of test. None without one."""
        return None

    def notes(self) -> list[str]:
        """Findings in the files, a line each, once they have been read."""
        return []
