"""DCGAN's networks (Radford et al. 2015, 1511.06434; layer sizes of soumith/dcgan.torch) for any size 8 to 128.

Widths double from the image inwards: the map next to the image has `width` channels, the 4x4 map
`width * image_size / 8`. At 64 px, width 64, 3 channels and z of 100: G 3,576,704 and D 2,765,568 parameters.
"""

from itertools import pairwise
from typing import ClassVar, Literal

from torch import Tensor, nn

from lightning_gans.networks.convolution import CodeToMap, ImageToMap, MapToCode, MapToImage
from lightning_gans.networks.spectral import spectrally_normalized
from lightning_gans.settings import Count, ImageSize

Norm = Literal["batch", "layer", "instance", "none", "spectral"]

IMAGE_SIZES = (8, 16, 32, 64, 128)


def _widths(width: int, image_size: int) -> list[int]:
    """Channels of the feature maps from 4x4 outwards."""
    if image_size not in IMAGE_SIZES:
        raise ValueError(f"image_size={image_size}: DCGAN's networks are built for {IMAGE_SIZES}")
    doublings = (image_size // 8).bit_length()
    return [width << level for level in reversed(range(doublings))]


def initialize_dcgan(module: nn.Module) -> None:
    """Initialise as DCGAN (section 4): weights N(0, 0.02), gains of norms N(1, 0.02), biases 0."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.InstanceNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


class DCGANGenerator(nn.Module):
    """DCGAN generator: z (N, latent_dim) -> images (N, channels, image_size, image_size).

    Args:
        latent_dim: length of a latent code z.
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
        output: output layer: "tanh" for images in [-1, 1], "linear" for values without bounds, such as logits.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self,
        *,
        latent_dim: Count,
        channels: Count,
        image_size: ImageSize,
        width: Count,
        output: Literal["tanh", "linear"] = "tanh",
    ) -> None:
        super().__init__()
        if output not in ("tanh", "linear"):
            raise ValueError(f"output={output!r}: DCGAN's generator ends in tanh or linear")
        widths = _widths(width, image_size)
        layers: list[nn.Module] = [
            CodeToMap(latent_dim, widths[0]),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for inputs, outputs in pairwise(widths):
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
        layers.append(MapToImage(widths[-1], channels))
        if output == "tanh":
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)
        self.apply(initialize_dcgan)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z[:, :, None, None])
        return images


def _norm(name: Norm, width: int) -> list[nn.Module]:
    match name:
        case "batch":
            return [nn.BatchNorm2d(width)]
        case "layer":
            return [nn.GroupNorm(1, width)]
        case "instance":
            return [nn.InstanceNorm2d(width, affine=True)]
        case "none" | "spectral":
            return []
    raise ValueError(f"norm={name!r}: DCGAN's discriminator has a norm of batch, layer, instance, none or spectral")


class DCGANDiscriminator(nn.Module):
    """DCGAN discriminator: images (N, channels, image_size, image_size) -> logits (N, 1).

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
        norm: normalisation of all maps but the first; gradient penalties need one other than batch norm. Penalties need
            one that sees each sample by itself: "layer" (all channels and pixels of a sample), "instance" (the pixels
            of each channel) or "none", WGAN-GP's choice. "spectral" normalises every weight instead (SN-GAN).
            Convolutions that lose their norm have a bias in its place, as in the code of both papers; the first and
            last still have none.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)
    lipschitz: ClassVar[bool | tuple[str, ...]] = ("norm=spectral",)
    batch_statistics: ClassVar[tuple[str, ...]] = ("norm=batch",)

    def __init__(self, *, channels: Count, image_size: ImageSize, width: Count, norm: Norm = "batch") -> None:
        super().__init__()
        widths = _widths(width, image_size)[::-1]
        layers: list[nn.Module] = [ImageToMap(channels, widths[0]), nn.LeakyReLU(0.2, inplace=True)]
        for inputs, outputs in pairwise(widths):
            norms = _norm(norm, outputs)
            layers += [
                nn.Conv2d(inputs, outputs, 4, 2, 1, bias=not norms),
                *norms,
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, MapToCode(widths[-1], 1), nn.Flatten())
        self.feature_dim = 16 * widths[-1]
        self.apply(initialize_dcgan)
        if norm == "spectral":
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d):
                    spectrally_normalized(layer)

    @property
    def features(self) -> nn.Sequential:
        """Features, the 4x4 maps in which the logits are linear: images -> (N, feature_dim)."""
        return nn.Sequential(*self.layers[:-2], nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits
