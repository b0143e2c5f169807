"""Discriminators that also give a hidden layer, in which samples are compared (Larsen et al. 2015, 1512.09300).

Layers are counted from the logits: level 1 is the hidden layer that they are linear in, 2 the one before it.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from lightning_gans.networks.convolution import MapToCode
from lightning_gans.networks.dcgan import DCGANDiscriminator, Norm, initialize_dcgan
from lightning_gans.networks.mlp import MLPDiscriminator
from lightning_gans.networks.spectral import spectrally_normalized

Judgement = tuple[Tensor, Tensor]


def _after_activation(layers: nn.Sequential, level: int) -> int:
    """How many of the layers lead to the hidden layer of that level, its activation included."""
    activations = [number for number, layer in enumerate(layers) if isinstance(layer, nn.LeakyReLU)]
    if not 1 <= level <= len(activations):
        raise ValueError(
            f"feature_level={level}: this discriminator has {len(activations)} hidden layers, 1 is the one before its "
            "logits"
        )
    return activations[-level] + 1


class SimilarityMLPDiscriminator(MLPDiscriminator):
    """x (N, *sample_shape) -> logits (N, outputs), hidden layer (N, width)."""

    def __init__(
        self,
        *,
        sample_shape: Sequence[int],
        width: int,
        depth: int,
        dropout: float,
        outputs: int,
        feature_level: int,
    ) -> None:
        super().__init__(sample_shape=sample_shape, width=width, depth=depth, dropout=dropout)
        self.layers[-1] = nn.Linear(self.feature_dim, outputs)
        self._split = _after_activation(self.layers, feature_level)

    def forward(self, x: Tensor) -> Judgement:  # type: ignore[override]
        hidden = self.layers[: self._split](x)
        return self.layers[self._split :](hidden), hidden


class SimilarityDCGANDiscriminator(DCGANDiscriminator):
    """Images (N, channels, image_size, image_size) -> logits (N, outputs), maps (N, c, s, s).

    At level 1 the maps are 4x4, at each further level twice as large.
    """

    def __init__(
        self, *, channels: int, image_size: int, width: int, outputs: int, feature_level: int, norm: Norm = "batch"
    ) -> None:
        super().__init__(channels=channels, image_size=image_size, width=width, norm=norm)
        self.layers[-2] = head = MapToCode(self.feature_dim // 16, outputs)
        head.apply(initialize_dcgan)
        if norm == "spectral":
            spectrally_normalized(head)
        self._split = _after_activation(self.layers, feature_level)

    def forward(self, x: Tensor) -> Judgement:  # type: ignore[override]
        maps = self.layers[: self._split](x)
        return self.layers[self._split :](maps), maps
