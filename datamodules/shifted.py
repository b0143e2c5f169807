"""Shifted digits, thicker and on clouds: a domain shift without a download."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.digits import Digits
from datamodules.sources import Source, Tensors
from lightning_gans.core.rng import stream

BRIGHTEST = 0.8  # of the clouds, as a share of a stroke's
GRAIN = 1 / 16  # standard deviation of their blur, as a share of the image


class DigitsShifted(Digits):
    """Shifted digits: those of `Digits`, split alike, thicker, before blurred noise up to four fifths as bright.

    Strokes are a sixteenth of the image (a pixel at least) wider on either side. Each pixel is the brighter of digit
    and background, so that all of the digit is seen. Every image keeps its background, and no two splits share one.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey), or 3 (the same three times).
        dequantize: noise U[0, 1/128) on every number of the training images, drawn anew in every iteration.
        holdout: validation images; 0 leaves validation empty and trains on 1,617, None: 180.
    """

    @property
    def fingerprint(self) -> str:
        return self.digest(super().fingerprint, clouds="shifted/2")

    def read(self) -> Mapping[str, Source]:
        splits: dict[str, Source] = {}
        for name, source in super().read().items():
            assert isinstance(source, Tensors)
            background = (255 * clouds(len(source), self.image_size, name)).round().to(torch.uint8)
            splits[name] = Tensors(torch.maximum(thicker(source.x), background), source.labels)
        return splits


def thicker(x: Tensor) -> Tensor:
    """The brightest within a sixteenth of the image, a pixel at least, up, down and sideways: uint8 (N, C, S, S)."""
    reach = max(1, x.shape[-1] // 16)
    return F.max_pool2d(x.float(), 2 * reach + 1, 1, reach).to(torch.uint8)


def clouds(n: int, size: int, split: str) -> Tensor:
    """Blurred noise of mean 0.4 and deviation 0.2, clipped to [0, BRIGHTEST]: (n, 1, size, size)."""
    sigma = GRAIN * size
    radius = round(4 * sigma)
    steps = torch.arange(-radius, radius + 1)
    kernel = (-(steps / sigma).square() / 2).exp()
    kernel /= kernel.norm()  # of white noise, this leaves the variance at 1
    side = size + 2 * radius
    noise = torch.randn(n, 1, side, side, generator=stream("clouds", split))
    noise = F.conv2d(F.conv2d(noise, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return (0.5 + noise / 4).clamp(0, 1) * BRIGHTEST
