"""Small image classifier, whose penultimate layer serves as a feature space."""

from torch import Tensor, nn


class ConvClassifier(nn.Module):
    """Convolutions with batch norm: (N, channels, S, S) in [-1, 1] -> logits (N, classes).

    Strided convolutions reduce any size of at least 8 to 8 pixels (from 64 pixels on, the first has stride 4, since it
    would have most of the work); two more reduce it to 4, and a linear layer maps it to the features.

    Args:
        channels: of the images.
        image_size: height and width of the images.
        classes: number of classes.
        width: channels of the strided convolutions; a multiple of 16 suits vector units.
        feature_dim: number of features.
        dropout: share of the features dropped before the last layer, in training.
    """

    def __init__(
        self,
        *,
        channels: int,
        image_size: int,
        classes: int,
        width: int = 32,
        feature_dim: int = 64,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if image_size < 8:
            raise ValueError(f"image_size={image_size} is too small: this network needs images of 8 pixels or more.")
        layers: list[nn.Module] = []
        size, inputs = image_size, channels
        kernel, stride = (7, 4) if image_size >= 64 else (5, 2)
        while size > 8:
            layers += _convolution(inputs, width, kernel=kernel, stride=stride)
            size, inputs, kernel, stride = -(-size // stride), width, 3, 2
        layers += [*_convolution(inputs, 2 * width), nn.MaxPool2d(2)]
        layers += _convolution(2 * width, 2 * width)
        layers += [] if size == 8 else [nn.AdaptiveAvgPool2d(4)]  # its gradient has no deterministic form on a GPU
        layers.append(nn.Flatten())
        layers += [nn.Linear(32 * width, feature_dim, bias=False), nn.BatchNorm1d(feature_dim), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(feature_dim, classes)

    def features(self, x: Tensor) -> Tensor:
        """Features, not negative: (N, C, S, S) -> (N, feature_dim)."""
        features: Tensor = self.body(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Classify images: (N, C, S, S) -> logits (N, classes)."""
        return self.classify(self.features(x))

    def classify(self, features: Tensor) -> Tensor:
        """Classify features: (N, feature_dim) -> logits (N, classes)."""
        logits: Tensor = self.head(self.dropout(features))
        return logits


def _convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """Convolution, batch norm, ReLU: size S -> ceil(S / stride)."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
