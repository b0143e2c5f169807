"""Networks conditioned on a vector (Reed et al. 2016, 1605.05396, section 4.1), with DCGAN's layers.

A condition is compressed by a linear layer and a leaky ReLU. G receives it concatenated to the code. D receives it
concatenated to its 4x4 maps, repeated at every position, and mixes both with a 1x1 convolution.
"""

import torch
from torch import Tensor, nn

from lightning_gans.networks.dcgan import DCGANDiscriminator, DCGANGenerator, Norm, initialize_dcgan
from lightning_gans.networks.spectral import spectrally_normalized
from lightning_gans.settings import Count, ImageSize, Natural


class _Compression(nn.Sequential):
    """Compress conditions: (N, condition_dim) -> (N, embedding_dim)."""

    def __init__(self, condition_dim: int, embedding_dim: int) -> None:
        super().__init__(nn.Linear(condition_dim, embedding_dim), nn.LeakyReLU(0.2))


class ConditionedDCGANGenerator(DCGANGenerator):
    """Conditioned DCGAN generator: z (N, latent_dim), conditions (N, condition_dim) -> images in [-1, 1].

    Args:
        latent_dim: length of a latent code z.
        condition_dim: numbers of a condition vector.
        embedding_dim: length of the compressed condition (128 in the paper).
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
    """

    def __init__(
        self,
        *,
        latent_dim: Count,
        condition_dim: Count,
        embedding_dim: Count,
        channels: Count,
        image_size: ImageSize,
        width: Count,
    ) -> None:
        super().__init__(latent_dim=latent_dim + embedding_dim, channels=channels, image_size=image_size, width=width)
        self.compression = _Compression(condition_dim, embedding_dim)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(torch.cat([z, self.compression(condition)], 1))


class ConditionedDCGANDiscriminator(nn.Module):
    """Conditioned DCGAN discriminator: images, conditions (N, condition_dim) -> logits (N, 1).

    Args:
        condition_dim: numbers of a condition vector.
        embedding_dim: length of the compressed condition (128 in the paper); 0: D ignores the condition.
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
        norm: normalisation of the hidden layers, as `DCGANDiscriminator`'s.
    """

    contents = DCGANDiscriminator.contents
    lipschitz = DCGANDiscriminator.lipschitz
    batch_statistics = DCGANDiscriminator.batch_statistics

    def __init__(
        self,
        *,
        condition_dim: Count,
        embedding_dim: Natural,
        channels: Count,
        image_size: ImageSize,
        width: Count,
        norm: Norm = "batch",
    ) -> None:
        super().__init__()
        body = DCGANDiscriminator(channels=channels, image_size=image_size, width=width, norm=norm)
        maps, self.head = body.layers[:-2], body.layers[-2:]
        self.maps = maps
        self.compression = _Compression(condition_dim, embedding_dim) if embedding_dim else None
        self.mixture: nn.Module = nn.Identity()
        if embedding_dim:
            deep = body.feature_dim // 16
            mixing = nn.Conv2d(deep + embedding_dim, deep, 1)
            initialize_dcgan(mixing)
            self.mixture = nn.Sequential(mixing, nn.LeakyReLU(0.2, inplace=True))
            if norm == "spectral":
                for layer in (mixing, self.compression[0]):  # type: ignore[index]
                    spectrally_normalized(layer)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        maps = self.maps(x)
        if self.compression is not None:
            told = self.compression(condition)[:, :, None, None].expand(-1, -1, *maps.shape[2:])
            maps = torch.cat([maps, told], 1)
        logits: Tensor = self.head(self.mixture(maps))
        return logits
