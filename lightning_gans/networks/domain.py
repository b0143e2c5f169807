"""DANN's networks: features f with two heads, labels y and domains d (Ganin et al. 2016, 1505.07818).

None of them has batch norm: its statistics either mix both domains or separate them, and both change the game. A norm
of each image by itself does neither.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn

from lightning_gans.settings import Count, Fraction, Ge


class DomainNetwork(nn.Module):
    """Feature extractor and heads: f (N, C, S, S) -> (N, feature_dim), y -> (N, classes), d -> (N, 2) logits.

    Args:
        features: f, flat at its end.
        feature_dim: number of features.
        label, domain: hidden widths of the two heads.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self, features: nn.Module, *, feature_dim: int, label: Sequence[int], domain: Sequence[int], classes: int
    ) -> None:
        super().__init__()
        self.features = features
        self.feature_dim = feature_dim
        self.label = _perceptron(feature_dim, *label, classes)
        self.domain = _perceptron(feature_dim, *domain, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, S, S) -> logits of labels (N, classes) and of domains (N, 2)."""
        features = self.features(x)
        return self.label(features), self.domain(features)


class MNISTDomainNetwork(DomainNetwork):
    """DANN for MNIST (figure 4a): two convolutions 5x5 without padding, 32 and 48 maps, each with pooling by 2.

    28 pixels and 3 channels make f 40,880, y 88,010 and d 77,102 parameters.

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        classes: number of labels.
    """

    def __init__(self, *, channels: Count, image_size: Annotated[int, Ge(8)], classes: Count) -> None:
        side = ((image_size - 4) // 2 - 4) // 2
        if side < 1:
            raise ValueError(f"image_size={image_size} is too small: this network needs images of 16 pixels or more")
        features = nn.Sequential(
            *(nn.Conv2d(channels, 32, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 48, 5), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
        )
        super().__init__(features, feature_dim=48 * side**2, label=(100, 100), domain=(100,), classes=classes)


class SVHNDomainNetwork(DomainNetwork):
    """DANN for SVHN (figure 4b, as far as it is specified): padded convolutions 5x5, pooling 3x3 in steps of 2.

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        classes: number of labels.
        width: maps of the first two convolutions, half of the third's; 64 in the paper.
        label_width: units of the label predictor's first layer, 3,072 in the paper; its second has two thirds of that.
        domain_width: units of the domain classifier's two layers, 1,024 in the paper.
    """

    def __init__(
        self,
        *,
        channels: Count,
        image_size: Annotated[int, Ge(8)],
        classes: Count,
        width: Count = 64,
        label_width: Count = 3072,
        domain_width: Count = 1024,
    ) -> None:
        if image_size < 8:
            raise ValueError(f"image_size={image_size} is too small: this network needs images of 8 pixels or more")
        features = nn.Sequential(
            *(nn.Conv2d(channels, width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(nn.Conv2d(width, width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
            *(nn.Conv2d(width, 2 * width, 5, padding=2), nn.ReLU()),
            nn.Flatten(),
        )
        side = (image_size // 2) // 2
        super().__init__(
            features,
            feature_dim=2 * width * side**2,
            label=(label_width, label_width * 2 // 3),
            domain=(domain_width, domain_width),
            classes=classes,
        )


class SmallDomainNetwork(DomainNetwork):
    """Small DANN for 8 to 32 pixels: two padded convolutions 3x3, pooling by 2, heads of the MNIST network.

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        classes: number of labels.
        width: maps of the first convolution, half of the second's.
        domain_dropout: dropout rate of d's input; 0 in the paper. With dropout, d is never certain, so that the
            reversed gradient does not vanish.
        norm: "layer" normalises the maps of each image together, after each convolution, with a gain and a shift for
            each map; "none" in the paper. Features of a fixed size keep the reversed gradient in bounds.
    """

    def __init__(
        self,
        *,
        channels: Count,
        image_size: Annotated[int, Ge(8)],
        classes: Count,
        width: Count = 32,
        domain_dropout: Fraction = 0.0,
        norm: Literal["none", "layer"] = "none",
    ) -> None:
        if image_size < 8:
            raise ValueError(f"image_size={image_size} is too small: this network needs images of 8 pixels or more")
        layers: list[nn.Module] = []
        for inputs, outputs in ((channels, width), (width, 2 * width)):
            norms = [nn.GroupNorm(1, outputs)] if norm == "layer" else []
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *norms, nn.ReLU(), nn.MaxPool2d(2)]
        features = nn.Sequential(*layers, nn.Flatten())
        side = image_size // 4
        super().__init__(features, feature_dim=2 * width * side**2, label=(100, 100), domain=(100,), classes=classes)
        if domain_dropout:
            self.domain = nn.Sequential(nn.Dropout(domain_dropout), *self.domain)


def _perceptron(*widths: int) -> nn.Sequential:
    """Linear layers with ReLUs between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
