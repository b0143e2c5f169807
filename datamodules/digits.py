"""scikit-learn's handwritten digits: real, labelled, and there without a download."""

import hashlib
from collections.abc import Mapping

import torch
from sklearn.datasets import load_digits

from datamodules import pixels
from datamodules.images import ImageData
from datamodules.order import held_out
from datamodules.sources import Source, Tensors


class Digits(ImageData):
    """1,797 digits of the UCI set "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).

    8x8 pixels with 17 levels, resized by antialiased bicubic. Split by class: 1,437 train, 180 validation, 180 test.

    Args:
        batch_size: global batch.
        image_size: 8, 16, 32, 64 or 128.
        channels: 1, or 3 (the same three times).
        dequantize: add U[0, 1/128) to every number of the training images, drawn anew in every iteration.
    """

    def __init__(
        self, *, batch_size: int = 64, image_size: int = 32, channels: int = 1, dequantize: bool = False
    ) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels, dequantize=dequantize)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple("0123456789")

    @property
    def fingerprint(self) -> str:
        digits = load_digits()
        content = digits.images.astype("uint8").tobytes() + digits.target.astype("uint8").tobytes()
        return self.digest(hashlib.sha256(content).hexdigest(), split="digits/2")

    def read(self) -> Mapping[str, Source]:
        digits = load_digits()
        native = torch.from_numpy(digits.images).float()[:, None] * (255 / 16)
        everything = Tensors(
            pixels.fit(native, size=self.image_size, channels=self.channels), torch.from_numpy(digits.target).long()
        )
        rest, test = held_out(len(everything), 180, "split", "digits", "test")
        train, validation = held_out(len(rest), 180, "split", "digits", "validation")
        return {
            "train": everything.take(rest[train]),
            "validation": everything.take(rest[validation]),
            "test": everything.take(test),
        }
