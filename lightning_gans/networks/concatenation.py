"""Class-conditional networks with a one-hot label concatenated to their input (Mirza & Osindero 2014, 1411.1784).

The label is concatenated to the code z, to a flattened sample, or to the channels of an image as one plane per class: 1
everywhere for the image's own class and 0 for the others.
"""

from math import prod
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lightning_gans.networks.dcgan import DCGANDiscriminator, DCGANGenerator, Norm
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.settings import Count, Fraction, ImageSize, Natural, Shape


def joined(x: Tensor, label: Tensor, classes: int) -> Tensor:
    """Concatenate rows x (N, d) or images (N, C, H, W) and labels (N,): (N, d + classes) or (N, C + classes, H, W)."""
    hot = one_hot(label, classes).to(x)
    if x.dim() == 4:
        hot = hot[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, hot], dim=1)


class ConditionalMLPGenerator(MLPGenerator):
    """Conditional perceptron generator on (z, y): z (N, latent_dim), labels (N,) -> (N, *sample_shape).

    Args:
        latent_dim: length of a latent code z.
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of a hidden layer.
        depth: number of hidden layers.
        batch_norm: batch norm of the hidden layers.
        output: output layer: "tanh" for images, "linear" for points.
        classes: number of classes in the data.
    """

    def __init__(
        self,
        *,
        latent_dim: Count,
        sample_shape: Shape,
        width: Count,
        depth: Natural,
        batch_norm: bool,
        output: Literal["tanh", "linear"],
        classes: Count,
    ) -> None:
        super().__init__(
            latent_dim=latent_dim + classes,
            sample_shape=sample_shape,
            width=width,
            depth=depth,
            batch_norm=batch_norm,
            output=output,
        )
        self.classes = classes

    def forward(self, z: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(joined(z, label, self.classes))


class ConditionalMLPDiscriminator(MLPDiscriminator):
    """Conditional perceptron discriminator on (x, y): x (N, *sample_shape), labels (N,) -> logits (N, 1).

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of a hidden layer.
        depth: number of hidden layers.
        dropout: dropout rate of the hidden layers.
        classes: number of classes in the data.
    """

    def __init__(self, *, sample_shape: Shape, width: Count, depth: Natural, dropout: Fraction, classes: Count) -> None:
        super().__init__(sample_shape=[prod(sample_shape) + classes], width=width, depth=depth, dropout=dropout)
        self.classes = classes

    def forward(self, x: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(joined(x.flatten(1), label, self.classes))


class ConditionalDCGANGenerator(DCGANGenerator):
    """Conditional DCGAN generator: z (N, latent_dim), labels (N,) -> (N, channels, image_size, image_size) in [-1, 1].

    Args:
        latent_dim: length of a latent code z.
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
        classes: number of classes in the data.
    """

    def __init__(
        self, *, latent_dim: Count, channels: Count, image_size: ImageSize, width: Count, classes: Count
    ) -> None:
        super().__init__(latent_dim=latent_dim + classes, channels=channels, image_size=image_size, width=width)
        self.classes = classes

    def forward(self, z: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(joined(z, label, self.classes))


class ConditionalDCGANDiscriminator(DCGANDiscriminator):
    """Conditional DCGAN discriminator: images (N, channels, image_size, image_size), labels (N,) -> logits (N, 1).

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        width: channels of the map next to the image.
        classes: number of classes in the data.
        norm: normalisation of the hidden layers; gradient penalties need one other than batch norm.
    """

    def __init__(
        self, *, channels: Count, image_size: ImageSize, width: Count, classes: Count, norm: Norm = "batch"
    ) -> None:
        super().__init__(channels=channels + classes, image_size=image_size, width=width, norm=norm)
        self.classes = classes

    def forward(self, x: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(joined(x, label, self.classes))
