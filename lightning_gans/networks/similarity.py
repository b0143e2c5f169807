"""Discriminators that also return a hidden layer, in which samples are compared (Larsen et al. 2015, 1512.09300).

Layers are counted from the logits: level 1 is the hidden layer that they are linear in, 2 the one before it.
"""

from torch import Tensor, nn

from lightning_gans.networks.convolution import MapToCode
from lightning_gans.networks.dcgan import DCGANDiscriminator, Norm, initialize_dcgan
from lightning_gans.networks.mlp import MLPDiscriminator
from lightning_gans.networks.spectral import spectrally_normalized
from lightning_gans.settings import Count, Fraction, ImageSize, Natural, Shape

Judgement = tuple[Tensor, Tensor]


def _after_activation(layers: nn.Sequential, level: int) -> int:
    """Return the number of layers up to the hidden layer of that level, its activation included."""
    activations = [number for number, layer in enumerate(layers) if isinstance(layer, nn.LeakyReLU)]
    if not 1 <= level <= len(activations):
        raise ValueError(
            f"feature_level={level}: this discriminator has {len(activations)} hidden layers, 1 is the one before its "
            "logits"
        )
    return activations[-level] + 1


class SimilarityMLPDiscriminator(MLPDiscriminator):
    """Perceptron discriminator: x (N, *sample_shape) -> logits (N, outputs), hidden layer (N, width).

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of a hidden layer.
        depth: number of hidden layers.
        dropout: dropout rate of the hidden layers.
        outputs: number of logits.
        feature_level: hidden layer in which samples are compared, counted from the logits.
    """

    def __init__(
        self,
        *,
        sample_shape: Shape,
        width: Count,
        depth: Natural,
        dropout: Fraction,
        outputs: Count,
        feature_level: Count,
    ) -> None:
        super().__init__(sample_shape=sample_shape, width=width, depth=depth, dropout=dropout)
        self.layers[-1] = nn.Linear(self.feature_dim, outputs)
        self._split = _after_activation(self.layers, feature_level)

    def forward(self, x: Tensor) -> Judgement:  # type: ignore[override]
        hidden = self.layers[: self._split](x)
        return self.layers[self._split :](hidden), hidden


class SimilarityDCGANDiscriminator(DCGANDiscriminator):
    """DCGAN discriminator: images (N, channels, image_size, image_size) -> logits (N, outputs), maps (N, c, s, s).

    At level 1 the maps are 4x4, at each further level twice as large.

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
        outputs: number of logits.
        feature_level: hidden layer in which samples are compared, counted from the logits.
        norm: normalisation of the hidden layers; gradient penalties need one other than batch norm.
    """

    def __init__(
        self,
        *,
        channels: Count,
        image_size: ImageSize,
        width: Count,
        outputs: Count,
        feature_level: Count,
        norm: Norm = "batch",
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
