"""pix2pix's U-Net (Isola et al. 2017, 1611.07004, appendix 6.1.1; layers of junyanz/pytorch-CycleGAN-and-pix2pix)."""

from math import log2
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.networks.initialization import Normal
from lightning_gans.settings import Count, Fraction, Natural, TranslatedImageSize

MOST_MAPS = 8  # largest number of maps, as a multiple of the width


class UNet(nn.Module):
    """U-Net: images (N, channels, S, S), noise z (N, noise) -> images (N, out_channels, S, S) in [-1, 1].

    4x4 convolutions of stride 2 halve the size down to one pixel, and transposed convolutions double it again. Each of
    the latter also receives the maps of its size from the way down (skip connections). The noise is dropout in the
    innermost layers of the way up, at test time as well (section 2.2): z ~ U[0, 1), a number for each unit that may be
    dropped.

    Norms are of each image by itself, with a gain and a shift: the paper's batch norm at its batch size of 1. At
    width 64, 3 channels on both sides and 256 pixels there are 54,413,955 parameters.

    Args:
        channels: channels of the input.
        out_channels: channels of the output.
        image_size: height and width S in pixels, a power of 2.
        width: maps of the outermost layer; they double with each layer up to eight times that.
        dropout: probability of a unit to be dropped; 0: no noise.
        dropout_layers: number of layers with dropout, from the second innermost on; null: the paper's, 3 for 256
            pixels and one fewer for each halving of the size, but one at least.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self,
        *,
        channels: Count,
        out_channels: Count,
        image_size: TranslatedImageSize,
        width: Count = 64,
        dropout: Fraction = 0.5,
        dropout_layers: Natural | None = None,
    ) -> None:
        super().__init__()
        levels = round(log2(image_size))
        if 2**levels != image_size or levels < 3:
            raise ValueError(f"image_size={image_size}: a U-Net halves it until one pixel is left; say a power of 2")
        most = levels - 2
        layers = min(max(levels - 5, 1), most) if dropout_layers is None else dropout_layers
        if layers > most:
            raise ValueError(f"dropout_layers={layers}: a U-Net of {image_size} pixels has {most} such layers at most")
        self.channels, self.image_size, self.dropout = channels, image_size, dropout
        widths = [width * min(2**level, MOST_MAPS) for level in range(levels)]
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, maps in enumerate(widths):
            before = widths[level - 1] if level else channels
            norm = [_norm(maps)] if 0 < level < levels - 1 else []  # no norm of a single pixel
            start = [nn.LeakyReLU(0.2)] if level else []
            self.down.append(nn.Sequential(*start, nn.Conv2d(before, maps, 4, 2, 1, bias=False), *norm))
        for level in reversed(range(levels)):
            maps = widths[level] * (1 if level == levels - 1 else 2)
            after = widths[level - 1] if level else out_channels
            end = [_norm(after)] if level else [nn.Tanh()]
            self.up.append(nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(maps, after, 4, 2, 1, bias=not level), *end))
        # (maps, size) of the units that may be dropped after each layer of the way up.
        self.dropped = {
            number: (widths[levels - 2 - number], 2 ** (number + 1)) for number in range(1, layers + 1) if dropout > 0
        }
        self.noise = sum(maps * size**2 for maps, size in self.dropped.values())
        Normal(std=0.02)(self)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for layer in self.down:
            x = layer(x)
            skips.append(x)
        y, first = skips.pop(), 0
        for number, layer in enumerate(self.up):
            y = layer(torch.cat([y, skips.pop()], 1) if number else y)
            if number in self.dropped:
                maps, size = self.dropped[number]
                uniform = z[:, first : first + maps * size**2].unflatten(1, (maps, size, size))
                y = y * (uniform >= self.dropout) / (1 - self.dropout)
                first += maps * size**2
        return y


def _norm(maps: int) -> nn.Module:
    return nn.InstanceNorm2d(maps, affine=True)
