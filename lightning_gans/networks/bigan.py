"""Perceptrons of BiGAN's permutation-invariant MNIST (Donahue et al. 2016, appendix C.1; jeffdonahue/bigan).

Two hidden layers each, weights from N(0, 0.02^2), no biases, batch norms without gain and bias. Images are in [-1, 1]
outside and in [0, 1] inside: without biases the range matters, and with this one D does not outpace G and E.
"""

from math import prod
from typing import Annotated

import torch
from torch import Tensor, nn

from lightning_gans.networks.joint import InUnitRange
from lightning_gans.settings import Among, Count, Shape


def _linear(inputs: int, outputs: int, std: float = 0.02) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, 0.0, std)
    return layer


def _norm(width: int) -> nn.BatchNorm1d:
    return nn.BatchNorm1d(width, affine=False)


class BiGANEncoder(nn.Module):
    """BiGAN encoder: images (N, *sample_shape) in [-1, 1] -> a (N, moments code_dim); codes are 2 sigmoid(a) - 1.

    The paper's 1-NN accuracy is measured on `features` (N, width), the input of `head`.

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        code_dim: length of a code.
        width: units of a hidden layer.
        moments: 1 for a code, 2 for its mean and log variance, as ALI has them.
    """

    def __init__(
        self, *, sample_shape: Shape, code_dim: Count, width: Count, moments: Annotated[int, Among(1, 2)] = 1
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            InUnitRange(),
            *(_linear(prod(sample_shape), width), nn.LeakyReLU(0.2)),
            *(_linear(width, width), _norm(width), nn.LeakyReLU(0.2)),
        )
        self.feature_dim = width
        self.head = _linear(width, moments * code_dim)

    def forward(self, x: Tensor) -> Tensor:
        a: Tensor = self.head(self.features(x))
        return a


class BiGANGenerator(nn.Module):
    """BiGAN generator: z (N, latent_dim) -> images (N, *sample_shape) in [-1, 1]; z is also added to the second layer.

    Args:
        latent_dim: length of a latent code z.
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        width: units of a hidden layer.
    """

    def __init__(self, *, latent_dim: Count, sample_shape: Shape, width: Count) -> None:
        super().__init__()
        self.sample_shape = tuple(sample_shape)
        self.first = nn.Sequential(_linear(latent_dim, width), _norm(width), nn.ReLU())
        self.of_h, self.of_z = _linear(width, width), _linear(latent_dim, width)
        self.second = nn.Sequential(_norm(width), nn.ReLU())
        self.last = _linear(width, prod(sample_shape))

    def forward(self, z: Tensor) -> Tensor:
        h = self.second(self.of_h(self.first(z)) + self.of_z(z))
        x: Tensor = torch.tanh(self.last(h) / 2).unflatten(1, self.sample_shape)  # 2 sigmoid - 1
        return x


class BiGANDiscriminator(nn.Module):
    """BiGAN discriminator: images (N, *sample_shape) in [-1, 1], z (N, code_dim) -> logits (N, 1), initially 0.

    The first layer receives only the image; the second also receives z, before its norm.

    Args:
        sample_shape: shape of a sample, without the batch: (C, H, W) or (d,).
        code_dim: length of a code.
        width: units of a hidden layer.
    """

    def __init__(self, *, sample_shape: Shape, code_dim: Count, width: Count) -> None:
        super().__init__()
        self.first = nn.Sequential(InUnitRange(), _linear(prod(sample_shape), width), nn.LeakyReLU(0.2))
        self.of_h, self.of_z = _linear(width, width), _linear(code_dim, width)
        self.second = nn.Sequential(_norm(width), nn.LeakyReLU(0.2))
        self.last = _linear(width, 1, std=0.0)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        logits: Tensor = self.last(self.second(self.of_h(self.first(x)) + self.of_z(z)))
        return logits
