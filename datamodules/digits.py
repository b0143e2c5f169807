"""scikit-learn's handwritten digits: real, labelled, without a download."""

import hashlib
from collections.abc import Mapping

import torch
from sklearn.datasets import load_digits
from torch import Tensor

from datamodules import pixels
from datamodules.images import ImageData
from datamodules.order import held_out
from datamodules.sources import Source, Tensors
from datamodules.survey import SplitName
from lightning_gans.settings import Channels, Count, ImageSize, Natural


class Digits(ImageData):
    """Handwritten digits: 1,797 of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).

    8x8 pixels with 17 levels, resized by antialiased bicubic. Split at random: 1,437 train, 180 validation, 180 test.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey), or 3 (the same three times).
        dequantize: noise U[0, 1/128) on every number of the training images, in every iteration.
        holdout: validation images; 0 leaves validation empty and trains on 1,617, None: 180.
    """

    def __init__(
        self,
        *,
        batch_size: Count = 64,
        image_size: ImageSize = 32,
        channels: Channels = 1,
        dequantize: bool = False,
        holdout: Natural | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size, image_size=image_size, channels=channels, dequantize=dequantize, holdout=holdout
        )

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")

    @property
    def fingerprint(self) -> str:
        digits = load_digits()
        content = digits.images.astype("uint8").tobytes() + digits.target.astype("uint8").tobytes()
        return self.digest(hashlib.sha256(content).hexdigest(), split="digits/2", **self.own_holdout)

    def read(self) -> Mapping[str, Source]:
        digits = load_digits()
        native = torch.from_numpy(digits.images).float()[:, None] * (255 / 16)
        everything = Tensors(
            pixels.fit(native, size=self.image_size, channels=self.channels), torch.from_numpy(digits.target).long()
        )
        return {name: everything.take(rows) for name, rows in self.rows(len(everything)).items()}

    def rows(self, total: int) -> dict[SplitName, Tensor]:
        """Return the indices of each split among all `total` images."""
        rest, test = held_out(total, 180, "split", "digits", "test")
        train, validation = held_out(len(rest), self.held(180, len(rest)), "split", "digits", "validation")
        return {"train": rest[train], "validation": rest[validation], "test": test}
