"""CycleGAN's networks (Zhu et al. 2017, 1703.10593, appendix 7.2; layers of junyanz/pytorch-CycleGAN-and-pix2pix).

Both are fully convolutional. Instance norm without gain and bias normalises every image by itself; as in the authors'
code, the convolutions before it keep their biases, which it removes. At width 64 and 3 channels the translator has
11,378,179 parameters with 9 blocks (for 256 px), 7,837,699 with 6 (for 128 px), and the discriminator 2,764,737.
"""

from typing import ClassVar

from torch import Tensor, nn

from lightning_gans.settings import Count, Natural


def _initialize(module: nn.Module) -> None:
    """Weights N(0, 0.02), biases 0 (section 7.1)."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class ResNetTranslator(nn.Module):
    """ResNet translator (Johnson et al. 2016): images (N, channels, H, W) -> (N, out_channels, H, W) in [-1, 1].

    A 7x7 convolution, `downsamplings` convolutions of stride 2 that double the number of maps, residual blocks at that
    size, and the mirrored layers back to full size. H and W are multiples of `multiple` and at least `least`.

    Args:
        channels: channels of the images that are taken.
        out_channels: channels of those that are given; null: as many.
        width: maps at full size.
        downsamplings: number of halvings of the size; 2 in the paper.
        blocks: number of residual blocks; 9 in the paper for 256 px, 6 for 128 px.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self,
        *,
        channels: Count,
        out_channels: Count | None = None,
        width: Count = 64,
        downsamplings: Natural = 2,
        blocks: Natural = 9,
    ) -> None:
        super().__init__()
        out_channels = channels if out_channels is None else out_channels
        if downsamplings < 0 or blocks < 0:
            raise ValueError(f"downsamplings={downsamplings}, blocks={blocks}: neither can be below 0")
        self.channels = channels
        self.multiple = 2**downsamplings
        # Reflection padding needs more pixels than it adds: three at full size and one at the smallest.
        self.least = max(4, 2 * self.multiple)
        widths = [width << level for level in range(downsamplings + 1)]
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), *_normed(nn.Conv2d(channels, width, 7), width)]
        for maps in widths[:-1]:
            layers += _normed(nn.Conv2d(maps, 2 * maps, 3, 2, 1), 2 * maps)
        layers += [ResidualBlock(widths[-1]) for _ in range(blocks)]
        for maps in reversed(widths[:-1]):
            layers += _normed(nn.ConvTranspose2d(2 * maps, maps, 3, 2, 1, output_padding=1), maps)
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels, 7), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class ResidualBlock(nn.Module):
    """Residual block of two mirrored 3x3 convolutions: (N, width, H, W) -> the same; H and W of 2 or more."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            *_normed(nn.Conv2d(width, width, 3), width),
            nn.ReflectionPad2d(1),
            nn.Conv2d(width, width, 3),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def _normed(convolution: nn.Module, width: int) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(width), nn.ReLU(inplace=True)]


class PatchDiscriminator(nn.Module):
    """PatchGAN discriminator (Isola et al. 2016, 1611.07004): images (N, channels, S, S) -> logits (N, 1, s, s).

    4x4 convolutions, `layers` of stride 2 and two of stride 1. A logit sees `receptive_field` pixels: 16, 34 or 70 with
    1, 2 or 3 layers.

    Args:
        channels: channels of the images.
        image_size: height and width S in pixels, for which at least one logit has to be left.
        width: maps of the first layer; they double with each up to eight times that.
        layers: number of layers of stride 2; 3 in the paper, which judge patches of 70 pixels.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(self, *, channels: Count, image_size: Count, width: Count = 64, layers: Count = 3) -> None:
        super().__init__()
        if layers < 1:
            raise ValueError(f"layers={layers}: a patch discriminator has at least one of stride 2")
        if image_size // 2**layers < 3:
            raise ValueError(
                f"layers={layers}: images of {image_size} pixels are too small for so many of stride 2. Images have "
                f"at least {3 * 2**layers} pixels; or fewer layers"
            )
        widths = [width * min(2**level, 8) for level in range(layers + 1)]
        modules: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
        for level in range(1, layers + 1):
            stride = 2 if level < layers else 1
            modules += [
                nn.Conv2d(widths[level - 1], widths[level], 4, stride, 1),
                nn.InstanceNorm2d(widths[level]),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*modules, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.receptive_field = 7  # of the two layers of stride 1, in maps of the last layer of stride 2
        for _ in range(layers):
            self.receptive_field = 2 * self.receptive_field + 2
        self.apply(_initialize)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits
