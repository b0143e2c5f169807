"""The images of an .npz file as a set of images."""

import hashlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from datamodules import checks, pixels
from datamodules.image_sets import npz
from datamodules.image_sets.base import LARGEST, ImageSet
from datamodules.image_sets.facts import SetFacts
from lightning_gans.core.activity import activity
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Channels, Count

READ = 64  # images read at a time


class ArrayImages(ImageSet):
    """The images of an .npz: uint8, or floats in the smallest range of [-1, 1], [0, 1] and [0, 255] that contains them.

    Args:
        image_size, channels: as in FolderImages.
    """

    kind = "npz"

    def __init__(self, facts: SetFacts, *, image_size: Count | None = None, channels: Channels | None = None) -> None:
        assert facts.place is not None
        self.facts, self.text, self.path = facts, facts.text, facts.place
        self.array = npz.described(self.path)
        self.size = image_size if image_size is None else checks.whole("image_size", image_size, least=1, most=LARGEST)
        channels = self.array.channels if channels is None else checks.channels(channels)
        self.shape = (channels, self.size or self.array.height, self.size or self.array.width)
        self.place = str(self.path)
        self.digest, self.range = self._read_through()

    def _read_through(self) -> tuple[str, tuple[float, float]]:
        """Return the digest of all images, and the values of black and white."""
        digest, low, high = hashlib.sha256(), float("inf"), float("-inf")
        with activity("reading the array", self.array.images) as report:
            for number, part in enumerate(npz.rows(self.path, self.array, READ), 1):
                digest.update(np.ascontiguousarray(part).data)
                low, high = min(low, float(part.min())), max(high, float(part.max()))
                if not np.isfinite(part).all():
                    raise UserError(
                        f"{self.facts.key}={self.text} holds NaN or infinite numbers, the first in its images "
                        f"{(number - 1) * READ:,} to {number * READ - 1:,}. Mend or remove these images."
                    )
                report(min(number * READ, self.array.images))
        self.brightest = high
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
        return self.array.images if self.rows is None else len(self.rows)

    def batches(self, size: int) -> Iterator[SampleBatch]:
        chosen = None
        if self.rows is not None:
            chosen = torch.zeros(self.array.images, dtype=torch.bool)
            chosen[self.rows] = True
        first = 0
        for part in npz.rows(self.path, self.array, min(size, READ)):
            x = torch.from_numpy(np.array(part, order="C"))
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
            few = f"{self.text}: its largest value is {self.brightest:g} of 255, so that all images are nearly black"
            return [few] if self.brightest <= 1 else []
        black, white = self.range
        return [f"{self.text}: its floats are taken as {black:g} for black to {white:g} for white"]
