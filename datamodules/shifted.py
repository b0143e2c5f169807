"""Shifted digits, with thicker strokes on blurred noise: a domain shift without a download."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.digits import Digits
from datamodules.sources import Source, Tensors
from lightning_gans.core.rng import stream

BRIGHTEST = 0.8  # brightness of the blurred noise, as a share of a stroke's
GRAIN = 1 / 16  # standard deviation of the blur, as a share of the image


class DigitsShifted(Digits):
    """Shifted digits: those of `Digits` with thicker strokes, on blurred noise up to four fifths as bright.

    Strokes are wider by a sixteenth of the image (at least one pixel) on either side. Each pixel is the maximum of
    digit and background, so that the whole digit is visible. Each image has a fixed background, and splits share none.
    Splits are those of `Digits`.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey), or 3 (the same three times).
        dequantize: noise U[0, 1/128) on every number of the training images, in every iteration.
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
    """Dilate uint8 (N, C, S, S) by a sixteenth of the image, at least one pixel, in each direction."""
    reach = max(1, x.shape[-1] // 16)
    return F.max_pool2d(x.float(), 2 * reach + 1, 1, reach).to(torch.uint8)


def clouds(n: int, size: int, split: str) -> Tensor:
    """Return blurred noise with mean 0.4 and standard deviation 0.2, clipped to [0, BRIGHTEST]: (n, 1, size, size)."""
    sigma = GRAIN * size
    radius = round(4 * sigma)
    steps = torch.arange(-radius, radius + 1)
    kernel = (-(steps / sigma).square() / 2).exp()
    kernel /= kernel.norm()  # keeps the variance of white noise at 1
    side = size + 2 * radius
    noise = torch.randn(n, 1, side, side, generator=stream("clouds", split))
    noise = F.conv2d(F.conv2d(noise, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    return (0.5 + noise / 4).clamp(0, 1) * BRIGHTEST
