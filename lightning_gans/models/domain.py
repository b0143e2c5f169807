"""Domain-adaptation model: a classifier for a second domain that has no labels."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.models.generative import CHUNK, evaluating
from lightning_gans.settings import Count


class DomainModel(nn.Module):
    """Domain-adaptation classifier: class y(f(x)) and domain d(f(x)) of x.

    Args:
        network: f, y and d as its `features`, `label` and `domain`.
        classes: number of labels.
        channels: channels of the images.

    Attributes:
        mean: (C, 1, 1), subtracted from every image: mean of the training images of both domains, in [-1, 1].
    """

    role: ClassVar[str] = "domain adaptation"
    mean: Tensor

    def __init__(self, *, network: nn.Module, classes: Count, channels: Count) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self.register_buffer("mean", torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def centre(self, mean: Tensor) -> None:
        """Set the mean, (C, 1, 1), that is subtracted from all images from now on."""
        self.mean.copy_(mean)

    def extract(self, x: Tensor) -> Tensor:
        """Features f, with gradients, in the current mode: images (N, C, H, W) in [-1, 1] -> (N, f)."""
        features: Tensor = self.network.features(x - self.mean)  # type: ignore[operator]
        return features

    def features(self, x: Tensor) -> Tensor:
        """Features f of images (N, C, H, W), in eval mode: (N, f)."""
        return self._in_chunks(self.extract, x)

    def classify(self, x: Tensor) -> Tensor:
        """Probabilities of the classes for images (N, C, H, W), in eval mode: (N, classes)."""
        return self._in_chunks(lambda part: self.network.label(self.extract(part)).softmax(1), x)  # type: ignore[operator]

    def domain(self, x: Tensor) -> Tensor:
        """Probabilities of source and target for images (N, C, H, W), in eval mode: (N, 2)."""
        return self._in_chunks(lambda part: self.network.domain(self.extract(part)).softmax(1), x)  # type: ignore[operator]

    def _in_chunks(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        with evaluating(self):
            return torch.cat([function(part.to(self.mean)) for part in x.split(CHUNK)])
