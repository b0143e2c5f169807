"""Discriminators with a second head that names the class (AC-GAN, Odena et al. 2016, 1610.09585).

Both heads are linear in the same features, so they are one layer of 1 + classes outputs.
"""

from collections.abc import Sequence
from math import prod
from typing import ClassVar

from torch import Tensor, nn

from lightning_gans.networks.convolution import MapToCode
from lightning_gans.networks.dcgan import DCGANDiscriminator, Norm, initialize_dcgan
from lightning_gans.networks.mlp import MLPDiscriminator
from lightning_gans.networks.spectral import spectrally_normalized

Heads = tuple[Tensor, Tensor]


class AuxiliaryMLPDiscriminator(MLPDiscriminator):
    """x (N, *sample_shape) -> logits (N, 1), class logits (N, classes)."""

    auxiliary: ClassVar[bool] = True

    def __init__(self, *, sample_shape: Sequence[int], width: int, depth: int, dropout: float, classes: int) -> None:
        super().__init__(sample_shape=sample_shape, width=width, depth=depth, dropout=dropout)
        self.layers[-1] = nn.Linear(width if depth else prod(sample_shape), 1 + classes)

    def forward(self, x: Tensor) -> Heads:  # type: ignore[override]
        outputs = super().forward(x)
        return outputs[:, :1], outputs[:, 1:]


class AuxiliaryDCGANDiscriminator(DCGANDiscriminator):
    """Images (N, channels, image_size, image_size) -> logits (N, 1), class logits (N, classes)."""

    auxiliary: ClassVar[bool] = True

    def __init__(self, *, channels: int, image_size: int, width: int, classes: int, norm: Norm = "batch") -> None:
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
