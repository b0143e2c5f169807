"""Encoders: a discriminator's layers with a code as output (Donahue et al. 2016; Larsen et al. 2015).

`moments` is 1 for a code, and 2 for mean and log variance of a Gaussian code, concatenated.
"""

from itertools import pairwise
from math import prod
from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from lightning_gans.networks.convolution import MapToCode
from lightning_gans.networks.dcgan import DCGANDiscriminator, Norm, initialize_dcgan
from lightning_gans.settings import Among, Count, ImageSize, Natural, Shape

Moments = Literal[1, 2]


def _checked(moments: int, normalize: bool) -> None:
    if moments not in (1, 2):
        raise ValueError(f"moments={moments}: an encoder gives 1 (a code) or 2 (mean and log variance)")
    if normalize and moments == 2:
        raise ValueError("normalize=true is of a code, and moments=2 gives mean and log variance; say moments=1")


class MLPEncoder(nn.Module):
    """Perceptron encoder: x (N, *sample_shape) -> (N, moments * code_dim), `depth` LeakyReLU(0.2) layers of `width`.

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        code_dim: length of a code.
        width: units of a hidden layer.
        depth: number of hidden layers.
        batch_norm: batch norm of all hidden layers but the first.
        moments: 1 for a code, 2 for its mean and log variance.
        normalize: batch norm of the code itself, without gain and bias (jeffdonahue/bigan), so that each of its numbers
            has mean 0 and variance 1.
    """

    def __init__(
        self,
        *,
        sample_shape: Shape,
        code_dim: Count,
        width: Count,
        depth: Natural,
        batch_norm: bool,
        moments: Annotated[int, Among(1, 2)] = 1,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        _checked(moments, normalize)
        layers: list[nn.Module] = [nn.Flatten()]
        for number, (inputs, outputs) in enumerate(pairwise([prod(sample_shape)] + [width] * depth)):
            norms = [nn.BatchNorm1d(outputs)] if batch_norm and number else []
            layers += [nn.Linear(inputs, outputs), *norms, nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*layers)
        self.feature_dim = width if depth else prod(sample_shape)
        self.head: nn.Module = nn.Linear(self.feature_dim, moments * code_dim)
        if normalize:
            self.head = nn.Sequential(self.head, nn.BatchNorm1d(code_dim, affine=False))

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.head(self.features(x))
        return z


class DCGANEncoder(nn.Module):
    """DCGAN encoder: images (N, channels, image_size, image_size) -> (N, moments * code_dim).

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
        code_dim: length of a code.
        norm: normalisation of all maps but the first, as DCGANDiscriminator's.
        moments: 1 for a code, 2 for its mean and log variance.
        normalize: batch norm of the code itself, without gain and bias, as MLPEncoder's.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self,
        *,
        channels: Count,
        image_size: ImageSize,
        width: Count,
        code_dim: Count,
        norm: Norm = "batch",
        moments: Annotated[int, Among(1, 2)] = 1,
        normalize: bool = False,
    ) -> None:
        super().__init__()
        _checked(moments, normalize)
        trunk = DCGANDiscriminator(channels=channels, image_size=image_size, width=width, norm=norm)
        self.features = trunk.features
        self.feature_dim = trunk.feature_dim
        self.head = nn.Sequential(
            nn.Unflatten(1, (-1, 4, 4)), MapToCode(self.feature_dim // 16, moments * code_dim), nn.Flatten()
        )
        self.head.apply(initialize_dcgan)
        if normalize:
            self.head.append(nn.BatchNorm1d(code_dim, affine=False))

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.head(self.features(x))
        return z
