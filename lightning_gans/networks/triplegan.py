"""Triple-GAN's networks for MNIST (Li et al. 2017, 1703.02291, appendix F; code zhenxuan00/triple-gan).

The one-hot label is concatenated to the input of every layer of the generator and the discriminator. G and C have batch
norm; in C it is over labelled, unlabelled and generated samples separately.
"""

from itertools import pairwise
from math import prod
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import register_parametrization

from lightning_gans.networks.concatenation import joined
from lightning_gans.settings import Count, Fraction, Ge, NonNegative, Shape


class TripleGenerator(nn.Module):
    """Triple-GAN generator: z (N, latent_dim), labels (N,) -> images (N, *sample_shape); y joined to three layers.

    Hidden layers have batch norm without gain, and softplus; the last layer's weights are normalised. Paper: width 500
    and z ~ U(0, 1)^100; its sigmoid, for images in [0, 1], is a tanh here.

    Args:
        latent_dim: length of a latent code z.
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of a hidden layer.
        classes: number of classes in the data.
    """

    def __init__(self, *, latent_dim: Count, sample_shape: Shape, width: Count, classes: Count) -> None:
        super().__init__()
        self.sample_shape, self.classes = tuple(sample_shape), classes
        self.hidden = nn.ModuleList(nn.Linear(n + classes, width, bias=False) for n in (latent_dim, width))
        self.norms = nn.ModuleList(_Centred(width) for _ in self.hidden)
        self.last = weight_norm(nn.Linear(width + classes, prod(self.sample_shape)))

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            z = softplus(norm(layer(joined(z, label, self.classes))))
        x: Tensor = self.last(joined(z, label, self.classes)).tanh().unflatten(1, self.sample_shape)
        return x


class _Centred(nn.Module):
    """Batch norm (N, width) with a bias and no gain."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x) + self.bias
        return normed


class Noise(nn.Module):
    """Gaussian noise in training: x + N(0, std^2); the identity in eval mode."""

    def __init__(self, std: float) -> None:
        super().__init__()
        self.std = std

    def forward(self, x: Tensor) -> Tensor:
        return x + self.std * torch.randn_like(x) if self.training and self.std else x


class _UnitNorm(nn.Module):
    """Rows of unit length: weight normalisation whose gains stay 1."""

    def forward(self, weight: Tensor) -> Tensor:
        normed: Tensor = weight / weight.norm(dim=1, keepdim=True)
        return normed


def _of_unit_norm(layer: nn.Linear) -> nn.Module:
    nn.init.normal_(layer.weight, std=0.1)
    nn.init.zeros_(layer.bias)
    return register_parametrization(layer, "weight", _UnitNorm())


class TripleDiscriminator(nn.Module):
    """Triple-GAN discriminator: x (N, *sample_shape), labels (N,) -> logits (N, 1); perceptron with Gaussian noise.

    y is concatenated to each layer. Images are in [0, 1] inside. Every layer's weights are normalised, with constant
    gains of 1, as in the authors' code. Paper: 1000-500-250-250-250 units (`width` is the first), noise of 0.3 on
    images and of 0.5 on hidden units.

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of the first layer; the next have a half and three quarters of it.
        classes: number of classes in the data.
        input_noise: standard deviation of Gaussian noise on the input in training.
        hidden_noise: standard deviation of Gaussian noise on the hidden layers in training.
    """

    def __init__(
        self,
        *,
        sample_shape: Shape,
        width: Count,
        classes: Count,
        input_noise: NonNegative = 0.3,
        hidden_noise: NonNegative = 0.5,
    ) -> None:
        super().__init__()
        self.classes = classes
        units = [prod(sample_shape), *(max(1, width // part) for part in (1, 2, 4, 4, 4)), 1]
        self.layers = nn.ModuleList(_of_unit_norm(nn.Linear(n + classes, m)) for n, m in pairwise(units))
        self.noise = nn.ModuleList([Noise(input_noise), *(Noise(hidden_noise) for _ in units[2:])])

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        x = (x.flatten(1) + 1) / 2
        *hidden, last = zip(self.noise, self.layers, strict=True)
        for noise, layer in hidden:
            x = layer(joined(noise(x), label, self.classes)).relu()
        noise, layer = last
        logits: Tensor = layer(joined(noise(x), label, self.classes))
        return logits


class TripleClassifier(nn.Module):
    """Triple-GAN classifier: images (N, channels, S, S) in [-1, 1], S from 8 on -> class logits (N, classes).

    5x5 convolution of `width`, pool, dropout; two 3x3 of twice that, pool, dropout; two of four times that; the mean
    over the map; a linear layer. Each convolution with batch norm and ReLU. Paper: width 32; two of the convolutions
    are not padded there, which leaves nothing of 8 pixels.

    Args:
        channels: channels of the images.
        image_size: height and width in pixels.
        classes: number of classes in the data.
        width: channels of the first layer; the next have twice and four times as many.
        dropout: dropout rate.
        input_noise: standard deviation of Gaussian noise on the input in training.

    Raises:
        ValueError: images below 8 pixels.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)

    def __init__(
        self,
        *,
        channels: Count,
        image_size: Annotated[int, Ge(8)],
        classes: Count,
        width: Count,
        dropout: Fraction = 0.5,
        input_noise: NonNegative = 0.0,
    ) -> None:
        super().__init__()
        if image_size < 8:
            raise ValueError(f"image_size={image_size} is too small: this network needs images of 8 pixels or more.")
        self.body = nn.Sequential(
            Noise(input_noise),
            *_convolution(channels, width, kernel=5),
            *(nn.MaxPool2d(2), nn.Dropout(dropout)),
            *_convolution(width, 2 * width),
            *_convolution(2 * width, 2 * width),
            *(nn.MaxPool2d(2), nn.Dropout(dropout)),
            *_convolution(2 * width, 4 * width),
            *_convolution(4 * width, 4 * width),
        )
        self.head = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x).mean((2, 3)))
        return logits


def _convolution(inputs: int, outputs: int, *, kernel: int = 3) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    nn.init.normal_(convolution.weight, std=0.05)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
