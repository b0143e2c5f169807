"""Textured digits on photographs: a second domain of the same ten classes, without a download."""

import hashlib
from collections.abc import Mapping
from functools import cache

import torch
from sklearn.datasets import load_sample_images
from torch import Tensor

from datamodules.digits import Digits
from datamodules.pixels import LUMA
from datamodules.sources import Source, Tensors
from lightning_gans.core.rng import stream
from lightning_gans.settings import Channels, Count, ImageSize, Natural

EDGES: dict[str, tuple[float, float]] = {"train": (0.0, 0.6), "validation": (0.6, 0.8), "test": (0.8, 1.0)}


class DigitsTextured(Digits):
    """Textured digits, each blended with a random patch of a photograph: |patch - digit|, per channel.

    MNIST-M's recipe (Ganin et al. 2016, 1505.07818, section 5.2.4) on scikit-learn's digits and its two sample
    photographs. The splits are those of `Digits` and take their patches from disjoint vertical strips of the
    photographs. Each image has a fixed patch.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB).
        dequantize: noise U[0, 1/128) on every number of the training images, in every iteration.
        holdout: validation images; 0 leaves validation empty and trains on 1,617, None: 180.
    """

    def __init__(
        self,
        *,
        batch_size: Count = 64,
        image_size: ImageSize = 32,
        channels: Channels = 3,
        dequantize: bool = False,
        holdout: Natural | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size, image_size=image_size, channels=channels, dequantize=dequantize, holdout=holdout
        )

    @property
    def fingerprint(self) -> str:
        content = hashlib.sha256(b"".join(photo.numpy().tobytes() for photo in photographs())).hexdigest()
        return self.digest(super().fingerprint, content, patches="textured/1")

    def read(self) -> Mapping[str, Source]:
        splits: dict[str, Source] = {}
        for name, source in super().read().items():
            assert isinstance(source, Tensors)
            splits[name] = Tensors(self._blended(source.x, name), source.labels)
        return splits

    def _blended(self, digits: Tensor, split: str) -> Tensor:
        return blend(digits, [strip(photo, *EDGES[split]) for photo in photographs()], "textured", split)


def blend(images: Tensor, photographs: list[Tensor], *key: str) -> Tensor:
    """Return |patch - image| for each image, with patches from random positions in any of the photographs.

    Args:
        images: uint8 (N, C, S, S), grey or RGB.
        photographs: uint8 (3, H, W) each, at least S pixels high and wide.
        key: name of the random stream from which patches are drawn.
    """
    size = images.shape[-1]
    draws = torch.rand(len(images), 3, generator=stream("patches", *key))
    blended = torch.empty_like(images)
    for row, (which, down, right) in enumerate(draws.tolist()):
        photo = photographs[int(which * len(photographs))]
        top, left = int(down * (photo.shape[1] - size + 1)), int(right * (photo.shape[2] - size + 1))
        patch = photo[:, top : top + size, left : left + size]
        if images.shape[1] == 1:
            patch = (patch * torch.tensor(LUMA)[:, None, None]).sum(0, keepdim=True).round()
        blended[row] = (patch.to(torch.int16) - images[row].to(torch.int16)).abs().to(torch.uint8)
    return blended


def strip(photo: Tensor, start: float, end: float) -> Tensor:
    """Return the vertical strip of a photograph (3, H, W) between two shares of its width."""
    return photo[:, :, round(start * photo.shape[2]) : round(end * photo.shape[2])]


@cache
def photographs() -> list[Tensor]:
    """Load scikit-learn's two photographs, uint8 (3, 427, 640)."""
    return [torch.from_numpy(photo.copy()).permute(2, 0, 1) for photo in load_sample_images().images]
