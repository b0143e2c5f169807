"""Discriminators of pairs (x, z) of samples and codes."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.networks.convolution import MapToCode
from lightning_gans.networks.dcgan import DCGANDiscriminator, Norm, initialize_dcgan
from lightning_gans.networks.spectral import spectrally_normalized
from lightning_gans.settings import Count, Fraction, Ge, ImageSize, Shape


class _ToldTheCode(nn.Module):
    """Layer with a code: h (N, inputs), z (N, code_dim) -> act(norm(W h + V z)) (N, outputs)."""

    def __init__(self, *, inputs: int, code_dim: int, outputs: int, batch_norm: bool, activation: nn.Module) -> None:
        super().__init__()
        self.of_h, self.of_z = nn.Linear(inputs, outputs), nn.Linear(code_dim, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs) if batch_norm else nn.Identity()
        self.activation = activation

    def forward(self, h: Tensor, z: Tensor) -> Tensor:
        told: Tensor = self.activation(self.norm(self.of_h(h) + self.of_z(z)))
        return told


class InUnitRange(nn.Module):
    """Rescaling of images (N, ...) from [-1, 1] to (N, numbers) in [0, 1], so that dropout makes pixels black."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1).add(1).div(2)


class JointMLPDiscriminator(nn.Module):
    """Joint perceptron discriminator: x (N, *sample_shape), z (N, code_dim) -> logits (N, 1).

    The first layer receives only x; each later layer also receives z, as in BiGAN's perceptrons.

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        code_dim: length of a code.
        width: units of a hidden layer.
        depth: number of layers; all but the first receive the code.
        batch_norm: batch norm of the layers that receive z.
        dropout: dropout rate of the input and of every hidden layer.
        unit_range: mapping of images from [-1, 1] to [0, 1] before the first layer.
    """

    batch_statistics: ClassVar[tuple[str, ...]] = ("batch_norm",)

    def __init__(
        self,
        *,
        sample_shape: Shape,
        code_dim: Count,
        width: Count,
        depth: Annotated[int, Ge(2)],
        batch_norm: bool,
        dropout: Fraction = 0.0,
        unit_range: bool = False,
    ) -> None:
        super().__init__()
        if depth < 2:
            raise ValueError(f"depth={depth}: the second layer is the first that is told the code; say 2 or more")
        self.dropout = nn.Dropout(dropout)
        flat = InUnitRange() if unit_range else nn.Flatten()
        self.first = nn.Sequential(flat, self.dropout, nn.Linear(prod(sample_shape), width), nn.LeakyReLU(0.2))
        self.told = nn.ModuleList(
            _ToldTheCode(
                inputs=width, code_dim=code_dim, outputs=width, batch_norm=batch_norm, activation=nn.LeakyReLU(0.2)
            )
            for _ in range(depth - 1)
        )
        self.last = nn.Linear(width, 1)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        h = self.dropout(self.first(x))
        for layer in self.told:
            h = self.dropout(layer(h, z))
        logits: Tensor = self.last(h)
        return logits


def _perceptron(dims: Sequence[int], dropout: float) -> nn.Sequential:
    """(N, dims[0]) -> (N, dims[-1]): LeakyReLU(0.2) after each layer, dropout before it."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(dims):
        layers += [nn.Dropout(dropout), nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


class JointDCGANDiscriminator(nn.Module):
    """Joint DCGAN discriminator: images (N, channels, image_size, image_size), z (N, code_dim) -> logits (N, 1).

    ALI's architecture (Dumoulin et al. 2016, 1606.00704, table 3) with DCGAN's layers: a tower maps x to 8 `width`
    units, a perceptron maps z to as many, and a joint one has two layers of 16 `width`. At width 64 these are the
    paper's 512 and 1024; LeakyReLU replaces the paper's maxout.

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        code_dim: length of a code.
        width: channels of the map next to the image.
        norm: normalisation of the maps, as DCGANDiscriminator's.
        dropout: dropout rate of x, of z and of every hidden layer.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)
    lipschitz: ClassVar[bool | tuple[str, ...]] = ("norm=spectral",)
    batch_statistics: ClassVar[tuple[str, ...]] = ("norm=batch",)

    def __init__(
        self,
        *,
        channels: Count,
        image_size: ImageSize,
        code_dim: Count,
        width: Count,
        norm: Norm = "batch",
        dropout: Fraction = 0.0,
    ) -> None:
        super().__init__()
        trunk = DCGANDiscriminator(channels=channels, image_size=image_size, width=width, norm=norm)
        tower: list[nn.Module] = [nn.Dropout(dropout)]
        for layer in trunk.layers[:-2]:
            tower += [layer, nn.Dropout(dropout)] if isinstance(layer, nn.LeakyReLU) else [layer]
        numbers = 8 * width
        ending = MapToCode(trunk.feature_dim // 16, numbers)
        self.of_x = nn.Sequential(*tower, ending, nn.Flatten(), nn.LeakyReLU(0.2))
        self.of_z = _perceptron([code_dim, numbers, numbers], dropout)
        self.of_both = _perceptron([2 * numbers, 2 * numbers, 2 * numbers], dropout)
        self.last = nn.Linear(2 * numbers, 1)
        for added in (ending, self.of_z, self.of_both, self.last):
            added.apply(initialize_dcgan)
            if norm == "spectral":
                for layer in added.modules():
                    if isinstance(layer, nn.Conv2d | nn.Linear):
                        spectrally_normalized(layer)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        both = torch.cat([self.of_x(x), self.of_z(z)], dim=1)
        logits: Tensor = self.last(self.of_both(both))
        return logits
