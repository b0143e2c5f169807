"""Discriminators with an auxiliary classifier head (AC-GAN, Odena et al. 2016, 1610.09585).

Both heads are linear in the same features, so they are one layer of 1 + classes outputs.
"""

from math import prod
from typing import ClassVar

from torch import Tensor, nn

from lightning_gans.networks.convolution import MapToCode
from lightning_gans.networks.dcgan import DCGANDiscriminator, Norm, initialize_dcgan
from lightning_gans.networks.mlp import MLPDiscriminator
from lightning_gans.networks.spectral import spectrally_normalized
from lightning_gans.settings import Count, Fraction, ImageSize, Natural, Shape

Heads = tuple[Tensor, Tensor]


class AuxiliaryMLPDiscriminator(MLPDiscriminator):
    """AC-GAN perceptron discriminator: x (N, *sample_shape) -> logits (N, 1), class logits (N, classes).

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of a hidden layer.
        depth: number of hidden layers.
        dropout: dropout rate of the hidden layers.
        classes: number of classes in the data.
    """

    auxiliary: ClassVar[bool] = True

    def __init__(self, *, sample_shape: Shape, width: Count, depth: Natural, dropout: Fraction, classes: Count) -> None:
        super().__init__(sample_shape=sample_shape, width=width, depth=depth, dropout=dropout)
        self.layers[-1] = nn.Linear(width if depth else prod(sample_shape), 1 + classes)

    def forward(self, x: Tensor) -> Heads:  # type: ignore[override]
        outputs = super().forward(x)
        return outputs[:, :1], outputs[:, 1:]


class AuxiliaryDCGANDiscriminator(DCGANDiscriminator):
    """AC-GAN DCGAN discriminator: (N, channels, image_size, image_size) -> logits (N, 1), class logits (N, classes).

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
        classes: number of classes in the data.
        norm: normalisation of the hidden layers; gradient penalties need one other than batch norm.
    """

    auxiliary: ClassVar[bool] = True

    def __init__(
        self, *, channels: Count, image_size: ImageSize, width: Count, classes: Count, norm: Norm = "batch"
    ) -> None:
        super().__init__(channels=channels, image_size=image_size, width=width, norm=norm)
        last = self.layers[-2]
        assert isinstance(last, MapToCode)
        self.layers[-2] = heads = MapToCode(last.in_channels, 1 + classes)
        heads.apply(initialize_dcgan)
        if norm == "spectral":
            spectrally_normalized(heads)

    def forward(self, x: Tensor) -> Heads:  # type: ignore[override]
        outputs = super().forward(x)
        return outputs[:, :1], outputs[:, 1:]
