"""InfoGAN's networks for MNIST (Chen et al. 2016, 1606.03657, appendix C.1; openai/InfoGAN) for any small image.

4x4 convolutions of stride 2 reduce images to a quarter of their size, and transposed ones enlarge maps again. At 28 px
the innermost maps are 7x7. The paper's width is 64; all other layers grow with it. The paper's weights are N(0, 0.02)
and its gains of norms N(1, 0.02); narrower layers get larger weights, so that their sums have the same scale.
"""

from typing import Annotated, ClassVar

from torch import Tensor, nn

from lightning_gans.networks.convolution import ImageToMap, MapToImage
from lightning_gans.settings import Among, Count, NonNegative

FEATURES = 16  # units of the wide layers for each channel of the first map: 1,024 in the paper


def _quarter(image_size: int) -> int:
    if image_size % 4 or not 8 <= image_size <= 64:
        raise ValueError(f"image_size={image_size}: InfoGAN's networks are built for multiples of 4 from 8 to 64")
    return image_size // 4


def _initialize(network: nn.Module, width: int) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02 * (64 / width) ** 0.5)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)


class InfoGANGenerator(nn.Module):
    """InfoGAN generator: (z, c) (N, latent_dim) -> images (N, channels, image_size, image_size) in [-1, 1].

    A layer of 16 width units, a map of 2 width channels at a quarter of the size, and one of width at half of it.

    Args:
        latent_dim: length of a latent code z.
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self, *, latent_dim: Count, channels: Count, image_size: Annotated[int, Among(*range(8, 65, 4))], width: Count
    ) -> None:
        super().__init__()
        size, hidden = _quarter(image_size), FEATURES * width
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, 2 * width * size**2, bias=False),
            nn.Unflatten(1, (2 * width, size, size)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            MapToImage(width, channels),
            nn.Tanh(),
        )
        _initialize(self, width)

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.layers(z)
        return x


class InfoGANEncoder(nn.Module):
    """InfoGAN encoder: images (N, channels, image_size, image_size) -> parameters of q(c | x) (N, code_dim).

    `features` are the layers that the discriminator shares; `head`, the recognition network Q, has one further layer.

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the first map. The second and Q's layer have twice as many, and there are 16 width features.
        code_dim: length of the codes, all together.
        slope: slope of leaky ReLUs below 0: 0.01 in the released code, 0.1 in the paper's text.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self,
        *,
        channels: Count,
        image_size: Annotated[int, Among(*range(8, 65, 4))],
        width: Count,
        code_dim: Count,
        slope: NonNegative = 0.01,
    ) -> None:
        super().__init__()
        size = _quarter(image_size)
        self.feature_dim = FEATURES * width
        self.features = nn.Sequential(
            ImageToMap(channels, width),
            nn.LeakyReLU(slope, inplace=True),
            nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(slope, inplace=True),
            nn.Flatten(),
            nn.Linear(2 * width * size**2, self.feature_dim, bias=False),
            nn.BatchNorm1d(self.feature_dim),
            nn.LeakyReLU(slope),
        )
        self.head = nn.Sequential(
            nn.Linear(self.feature_dim, 2 * width, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.LeakyReLU(slope),
            nn.Linear(2 * width, code_dim),
        )
        _initialize(self, width)

    def forward(self, x: Tensor) -> Tensor:
        recognised: Tensor = self.head(self.features(x))
        return recognised


class InfoGANJudge(nn.Module):
    """Real-fake head of D on the features (N, 16 width) of an InfoGANEncoder: -> logits (N, 1).

    Args:
        width: width of the encoder, which has 16 times as many features.
    """

    def __init__(self, *, width: Count) -> None:
        super().__init__()
        self.layer = nn.Linear(FEATURES * width, 1)
        _initialize(self, width)

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.layer(features)
        return logits
