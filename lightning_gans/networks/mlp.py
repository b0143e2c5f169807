"""Multi-layer perceptrons for points and small images."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from lightning_gans.settings import Count, Fraction, Natural, Shape


class MLPGenerator(nn.Module):
    """Perceptron generator: z (N, latent_dim) -> (N, *sample_shape) through `depth` ReLU layers of `width`.

    Args:
        latent_dim: length of a latent code z.
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of a hidden layer.
        depth: number of hidden layers.
        batch_norm: batch norm of the hidden layers.
        output: output layer: "tanh" for images in [-1, 1], "linear" for points.
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
    ) -> None:
        super().__init__()
        if output not in ("tanh", "linear"):
            raise ValueError(f"output={output!r}: a perceptron's output is tanh or linear")
        self.sample_shape = tuple(sample_shape)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([latent_dim] + [width] * depth):
            layers += [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs)] if batch_norm else []), nn.ReLU()]
        layers.append(nn.Linear(width if depth else latent_dim, prod(self.sample_shape)))
        if output == "tanh":
            layers.append(nn.Tanh())
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        x: Tensor = self.layers(z).unflatten(1, self.sample_shape)
        return x


class MLPDiscriminator(nn.Module):
    """Perceptron discriminator: x (N, *sample_shape) -> logits (N, 1), `depth` LeakyReLU(0.2) layers and dropout.

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of a hidden layer.
        depth: number of hidden layers.
        dropout: dropout rate of the hidden layers.
    """

    def __init__(self, *, sample_shape: Shape, width: Count, depth: Natural, dropout: Fraction) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise([prod(sample_shape)] + [width] * depth):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2), *([nn.Dropout(dropout)] if dropout else [])]
        self.feature_dim = width if depth else prod(sample_shape)
        layers.append(nn.Linear(self.feature_dim, 1))
        self.layers = nn.Sequential(*layers)

    @property
    def features(self) -> nn.Sequential:
        """Features of the last hidden layer, in which the logits are linear: x -> (N, feature_dim)."""
        return self.layers[:-1]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits


class Maxout(nn.Module):
    """Maxout layer, the largest of `pieces` linear maps (Goodfellow et al. 2013): (N, inputs) -> (N, units)."""

    def __init__(self, *, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.units, self.pieces = units, pieces
        self.linear = nn.Linear(inputs, units * pieces)

    def forward(self, x: Tensor) -> Tensor:
        largest: Tensor = self.linear(x).unflatten(1, (self.units, self.pieces)).amax(2)
        return largest


class MaxoutDiscriminator(nn.Module):
    """Maxout discriminator with dropout: x (N, *sample_shape) -> logits (N, 1), as in Goodfellow et al. 2014 (code).

    Paper, MNIST: two layers of 240 units x 5 pieces, dropout 0.2 on the input and 0.5 on hidden units.

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        units: units of a hidden layer.
        pieces: linear pieces of which a unit takes the maximum.
        depth: number of hidden layers.
        input_dropout: dropout rate of the inputs.
        hidden_dropout: dropout rate of the hidden layers.
    """

    def __init__(
        self,
        *,
        sample_shape: Shape,
        units: Count,
        pieces: Count,
        depth: Natural,
        input_dropout: Fraction,
        hidden_dropout: Fraction,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten(), nn.Dropout(input_dropout)]
        for inputs, outputs in pairwise([prod(sample_shape)] + [units] * depth):
            layers += [Maxout(inputs=inputs, units=outputs, pieces=pieces), nn.Dropout(hidden_dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(units if depth else prod(sample_shape), 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.layers(x)
        return logits


class AffineGenerator(nn.Module):
    """Affine generator x = shift + scale z with constants, whose distribution is known: (N, d) -> (N, d).

    Args:
        scale: initial factor of each coordinate.
        shift: initial offset of each coordinate.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, *, scale: Sequence[float], shift: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(list(scale)))
        self.register_buffer("shift", torch.tensor(list(shift)))

    def forward(self, z: Tensor) -> Tensor:
        return torch.addcmul(self.shift, self.scale, z)
