"""Residual networks of WGAN-GP (Gulrajani et al. 2017, 1704.00028), SN-GAN and the projection discriminator.

Layer by layer those of igul222/improved_wgan_training and pfnet-research/sngan_projection for CIFAR-10, which agree in
shape and initialisation. SN-GAN's G is wider; its D is normalised and sums where the critic averages. At 32 px, 3
channels and z of 128: WGAN-GP's G (width 128) has 1,204,483 parameters and its critic 1,053,825, SN-GAN's G (width 256)
4,276,739 and its D (width 128, no bias at its end) 1,053,824.

Other sizes follow one rule: G doubles from 4x4 to the image; D halves from the image to 8x8 (of 8 px, to 4x4), then
two blocks keep the size. Every map has `width` channels.
"""

from math import sqrt
from typing import ClassVar, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from lightning_gans.networks.labels import check_label
from lightning_gans.networks.spectral import spectrally_normalized
from lightning_gans.settings import Count, ImageSize

L = TypeVar("L", nn.Conv2d, nn.Linear, nn.Embedding)

IMAGE_SIZES = (8, 16, 32, 64, 128)


def _doublings(image_size: int, start: int) -> int:
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size={image_size}: the residual networks are built for {IMAGE_SIZES}")
    return (image_size // start).bit_length() - 1


def glorot(layer: L, gain: float = 1.0) -> L:
    """Initialise a layer with Glorot-uniform weights times `gain` and biases of 0; return it."""
    nn.init.xavier_uniform_(layer.weight, gain)
    if not isinstance(layer, nn.Embedding) and layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _convolution(inputs: int, outputs: int, *, kernel: int = 3, gain: float = 1.0) -> nn.Conv2d:
    return glorot(nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2), gain)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm, conditional with `classes`: a gain and a shift for each class (Dumoulin et al. 2017, 1610.07629).

    Maps (N, C, H, W) and, with classes, labels (N,) -> (N, C, H, W).
    """

    def __init__(self, width: int, *, classes: int | None = None) -> None:
        super().__init__(width, affine=classes is None)
        if classes is not None:
            self.gain, self.shift = nn.Embedding(classes, width), nn.Embedding(classes, width)
            nn.init.ones_(self.gain.weight)
            nn.init.zeros_(self.shift.weight)

    def forward(self, input: Tensor, label: Tensor | None = None) -> Tensor:
        normalized = super().forward(input)
        if label is None:
            return normalized
        return torch.addcmul(self.shift(label)[:, :, None, None], self.gain(label)[:, :, None, None], normalized)


class _Doubling(nn.Module):
    """G's block: norm, ReLU, nearest x2, convolution, norm, ReLU, convolution; a 1x1 convolution as shortcut."""

    def __init__(self, width: int, classes: int | None) -> None:
        super().__init__()
        self.norms = nn.ModuleList(BatchNorm(width, classes=classes) for _ in range(2))
        self.convolutions = nn.ModuleList(_convolution(width, width, gain=sqrt(2)) for _ in range(2))
        self.shortcut = _convolution(width, width, kernel=1)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        h = interpolate(relu(self.norms[0](x, label)), scale_factor=2)
        h = self.convolutions[1](relu(self.norms[1](self.convolutions[0](h), label)))
        # 1x1 convolution and nearest-neighbour upsampling commute; the convolution is four times cheaper before
        doubled: Tensor = h + interpolate(self.shortcut(x), scale_factor=2)
        return doubled


class ResNetGenerator(nn.Module):
    """z (N, latent_dim) and, with `classes`, labels (N,) -> images (N, channels, image_size, image_size) in [-1, 1].

    Args:
        latent_dim: length of a latent code z.
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of a hidden layer.
        classes: number of classes of a conditional network; None: unconditional. All batch norms except the last then
            have a gain and a shift for each class (SN-GAN's projection code).
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self, *, latent_dim: Count, channels: Count, image_size: ImageSize, width: Count, classes: Count | None = None
    ) -> None:
        super().__init__()
        self.classes = classes
        self.input = glorot(nn.Linear(latent_dim, 16 * width))
        self.blocks = nn.ModuleList(_Doubling(width, classes) for _ in range(_doublings(image_size, 4)))
        self.norm = BatchNorm(width)
        self.output = _convolution(width, channels)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        check_label(label, self.classes)
        x = self.input(z).unflatten(1, (-1, 4, 4))
        for block in self.blocks:
            x = block(x, label)
        images: Tensor = self.output(relu(self.norm(x))).tanh()
        return images


class _Critical(nn.Module):
    """D's block: ReLU, convolution, ReLU, convolution, 2x2 mean; a 1x1 shortcut if the size or width changes.

    The first block has the image as input: it omits the first ReLU, which would cut the image, and its shortcut takes
    the mean first.
    """

    def __init__(self, inputs: int, width: int, *, halve: bool, first: bool = False) -> None:
        super().__init__()
        self.halve, self.first = halve, first
        self.convolutions = nn.ModuleList(_convolution(n, width, gain=sqrt(2)) for n in (inputs, width))
        self.shortcut = _convolution(inputs, width, kernel=1) if halve else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.convolutions[0](x if self.first else relu(x))
        h = self.convolutions[1](relu(h))
        if self.halve:  # mean and 1x1 convolution commute
            h, x = avg_pool2d(h, 2), avg_pool2d(x, 2)
        maps: Tensor = h + self.shortcut(x)
        return maps


class ResNetDiscriminator(nn.Module):
    """ResNet discriminator: images (N, channels, image_size, image_size) and, with `classes`, labels (N,) -> (N, 1).

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of a hidden layer.
        pool: pooling of the last maps into phi(x): WGAN-GP's "mean" or SN-GAN's "sum".
        spectral_norm: spectral normalisation of every weight (networks.spectral).
        bias: bias of the last layer psi.
        classes: number of classes of a conditional network; None: unconditional. They add <e_y, phi(x)> to psi(phi(x)),
            e_y being a learned embedding of the class (Miyato & Koyama 2018, 1802.05637, eq. 3).
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)
    lipschitz: ClassVar[bool | tuple[str, ...]] = ("spectral_norm",)

    def __init__(
        self,
        *,
        channels: Count,
        image_size: ImageSize,
        width: Count,
        pool: Literal["mean", "sum"],
        spectral_norm: bool,
        bias: bool,
        classes: Count | None = None,
    ) -> None:
        super().__init__()
        if pool not in ("mean", "sum"):
            raise ValueError(f"pool={pool!r}: the last maps are pooled by mean or sum")
        self.pool, self.classes = pool, classes
        halvings = max(_doublings(image_size, 8), 1)
        self.blocks = nn.Sequential(
            _Critical(channels, width, halve=True, first=True),
            *(_Critical(width, width, halve=True) for _ in range(halvings - 1)),
            *(_Critical(width, width, halve=False) for _ in range(2)),
        )
        self.psi = glorot(nn.Linear(width, 1, bias=bias))
        if classes is not None:
            self.embedding = glorot(nn.Embedding(classes, width))
        if spectral_norm:
            for layer in list(self.modules()):
                if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
                    spectrally_normalized(layer)

    def features(self, x: Tensor) -> Tensor:
        """Features phi(x): images (N, channels, image_size, image_size) -> (N, width)."""
        maps = relu(self.blocks(x))
        return maps.mean((2, 3)) if self.pool == "mean" else maps.sum((2, 3))

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        check_label(label, self.classes)
        features = self.features(x)
        logits: Tensor = self.psi(features)
        if label is not None:
            logits = logits + (self.embedding(label) * features).sum(1, keepdim=True)
        return logits
