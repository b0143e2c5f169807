"""R3GAN's networks (Huang et al. 2025, 2501.05441, section 3; layer by layer brownvc/R3GAN): residual, without norms.

Maps of 4x4 up to the image, with `blocks` residual blocks at each size. Up to 32 px all have `width` channels; then
width and number of groups halve with each doubling, as in the authors' settings for 64 and 256 px. Theirs for 32 px are
width 768, 2 blocks, cardinality 96 and expansion 2: G has 20,732,160 parameters there and D 20,683,776.
"""

from itertools import pairwise
from math import sqrt
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu

from lightning_gans.networks.labels import check_label
from lightning_gans.settings import Count, ImageSize

L = TypeVar("L", nn.Conv2d, nn.Linear)

IMAGE_SIZES = (8, 16, 32, 64, 128)
SLOPE = 0.2
GAIN = sqrt(2 / (1 + SLOPE**2))  # keeps variances through a leaky ReLU


def _sizes(image_size: int) -> list[int]:
    """Return the sizes of the feature maps, from 4x4 to the image."""
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size={image_size}: R3GAN's networks are built for {IMAGE_SIZES}")
    return [4 << level for level in range((image_size // 4).bit_length())]


def _width(width: int, size: int) -> int:
    """Channels of maps of that size."""
    halved, rest = divmod(width, max(size // 32, 1))
    if rest:
        raise ValueError(
            f"width={width}: it is halved with each doubling from 32 to {size} pixels, which leaves a rest"
        )
    return halved


def scaled(layer: L, gain: float = 1.0) -> L:
    """Initialise a layer with weights N(0, gain^2 / fan-in) and biases of 0; return it."""
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(layer.weight[0].numel()))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _blocks(width: int, *, size: int, blocks: int, cardinality: int, expansion: int, of: int) -> list[nn.Module]:
    here, groups = _width(width, size), max(cardinality // max(size // 32, 1), 1)
    if here * expansion % groups:
        raise ValueError(
            f"cardinality={cardinality}: it has to divide the channels inside a block, which at {size} pixels makes "
            f"{groups} groups of {here * expansion}"
        )
    return [FixUpBlock(here, expansion=expansion, groups=groups, of=of) for _ in range(blocks)]


FIX_UP = "have no norms and rest on Fix-up initialisation, their residual branches 0 at first"


class FixUpBlock(nn.Module):
    """Residual block without norms: inverted bottleneck, 1x1, `groups` of 3x3, 1x1, leaky ReLUs; size and width kept.

    Fix-up initialisation (Zhang et al. 2019, 1901.09321): the last convolution is 0, and the others are scaled by
    L^(-1/4), L being the residual blocks of the network, so that it starts as the identity and no norm is needed.
    """

    def __init__(self, width: int, *, expansion: int, groups: int, of: int) -> None:
        super().__init__()
        inner, gain = width * expansion, GAIN * of**-0.25
        self.expand = scaled(nn.Conv2d(width, inner, 1), gain)
        self.mix = scaled(nn.Conv2d(inner, inner, 3, padding=1, groups=groups), gain)
        self.reduce = scaled(nn.Conv2d(inner, width, 1, bias=False), 0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = leaky_relu(self.mix(leaky_relu(self.expand(x), SLOPE)), SLOPE)
        changed: Tensor = x + self.reduce(y)
        return changed


class Resample(nn.Module):
    """Bilinear resampling: (N, inputs, S, S) -> (N, outputs, 2 S, 2 S), or S / 2; zeros beyond the edge.

    [1, 2, 1] on the finer grid, widened by the grid's own step to [1, 3, 3, 1]. Widths change by a 1x1 convolution, on
    the smaller map.
    """

    kernel: Tensor

    def __init__(self, inputs: int, outputs: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", torch.outer(row, row)[None, None], persistent=False)
        same = inputs == outputs
        self.change: nn.Module = nn.Identity() if same else scaled(nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        if self.up:
            x = self.change(x)
            kernel = (4 * self.kernel).expand(x.shape[1], 1, 4, 4)
            return conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])
        x = conv2d(x, self.kernel.expand(x.shape[1], 1, 4, 4), stride=2, padding=1, groups=x.shape[1])
        changed: Tensor = self.change(x)
        return changed


class R3GANGenerator(nn.Module):
    """R3GAN generator: z (N, latent_dim), labels (N,) with `classes` -> images (N, channels, image_size, image_size).

    No tanh: images are linear in the last maps in training, and clipped to [-1, 1] in eval mode.

    Args:
        latent_dim: length of a latent code z.
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the maps up to 32 px, halved with each doubling.
        blocks: residual blocks at each size.
        cardinality: groups of the 3x3 convolutions up to 32 px.
        expansion: ratio of a block's inner width to its outer.
        classes: number of classes of a conditional network; None: unconditional. A learned embedding of the class, as
            long as z, is concatenated to z.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)
    own_initialization: ClassVar[str] = FIX_UP

    def __init__(
        self,
        *,
        latent_dim: Count,
        channels: Count,
        image_size: ImageSize,
        width: Count,
        blocks: Count,
        cardinality: Count,
        expansion: Count,
        classes: Count | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        sizes = _sizes(image_size)
        shape = {"blocks": blocks, "cardinality": cardinality, "expansion": expansion, "of": blocks * len(sizes)}
        self.basis = nn.Parameter(torch.randn(width, 4, 4))
        self.coefficients = scaled(nn.Linear(latent_dim * (1 if classes is None else 2), width, bias=False))
        if classes is not None:
            self.embedding = nn.Embedding(classes, latent_dim)
            nn.init.normal_(self.embedding.weight, 0.0, 1 / sqrt(classes))
        layers = _blocks(width, size=4, **shape)
        for before, size in pairwise(sizes):
            layers += [Resample(_width(width, before), _width(width, size), up=True)]
            layers += _blocks(width, size=size, **shape)
        self.layers = nn.Sequential(*layers)
        self.image = scaled(nn.Conv2d(_width(width, image_size), channels, 1, bias=False))

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        check_label(label, self.classes)
        if label is not None:
            z = torch.cat([z, self.embedding(label)], 1)
        maps = self.basis * self.coefficients(z)[:, :, None, None]
        images: Tensor = self.image(self.layers(maps))
        return images if self.training else images.clamp(-1, 1)


class R3GANDiscriminator(nn.Module):
    """R3GAN discriminator: images (N, channels, image_size, image_size), labels (N,) with `classes` -> logits (N, 1).

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the maps up to 32 px, halved with each doubling.
        blocks: residual blocks at each size.
        cardinality: groups of the 3x3 convolutions up to 32 px.
        expansion: ratio of a block's inner width to its outer.
        classes: number of classes of a conditional network; None: unconditional. Logits are then <e_y, phi(x)>, phi(x)
            being `width` numbers and e_y a learned embedding of the class.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)
    own_initialization: ClassVar[str] = FIX_UP

    def __init__(
        self,
        *,
        channels: Count,
        image_size: ImageSize,
        width: Count,
        blocks: Count,
        cardinality: Count,
        expansion: Count,
        classes: Count | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        sizes = _sizes(image_size)[::-1]
        shape = {"blocks": blocks, "cardinality": cardinality, "expansion": expansion, "of": blocks * len(sizes)}
        layers: list[nn.Module] = [scaled(nn.Conv2d(channels, _width(width, image_size), 1, bias=False))]
        for size, after in pairwise(sizes):
            layers += _blocks(width, size=size, **shape)
            layers += [Resample(_width(width, size), _width(width, after), up=False)]
        layers += _blocks(width, size=4, **shape)
        layers += [scaled(nn.Conv2d(width, width, 4, groups=width, bias=False)), nn.Flatten()]
        self.layers = nn.Sequential(*layers)
        self.head = scaled(nn.Linear(width, 1 if classes is None else width, bias=False))
        if classes is not None:
            self.embedding = nn.Embedding(classes, width)
            nn.init.normal_(self.embedding.weight, 0.0, 1 / sqrt(classes * width))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        check_label(label, self.classes)
        logits: Tensor = self.head(self.layers(x))
        return logits if label is None else (self.embedding(label) * logits).sum(1, keepdim=True)
