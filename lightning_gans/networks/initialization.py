"""Weight initialisations that replace a network's own."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_gans.settings import NonNegative, Positive

LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)


class Initialization(ABC):
    """Initialisation: redraws the weights of every linear layer and convolution of a network, and sets biases to 0.

    Norms and embeddings are unchanged. With spectral or weight normalisation, the underlying weights are redrawn.
    """

    @abstractmethod
    def draw(self, weight: Tensor) -> None:
        """Redraw a weight (outputs, inputs, ...) in place, from torch's global generator."""

    @torch.no_grad()
    def __call__(self, network: nn.Module) -> int:
        """Initialise a network in place; return the number of layers that were redrawn."""
        layers = [module for module in network.modules() if isinstance(module, LAYERS)]
        for layer in layers:
            own: Any = getattr(layer.parametrizations, "weight", None) if parametrize.is_parametrized(layer) else None
            if own is None:
                self.draw(layer.weight)
            elif hasattr(own, "original"):  # spectral normalisation: reading its weight would change u
                self.draw(own.original)
            else:  # weight normalisation keeps a length and a direction; torch finds both
                weight = layer.weight.clone()
                self.draw(weight)
                layer.weight = weight
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        return len(layers)


class Normal(Initialization):
    """Normal initialisation N(0, std^2); 0.02 is DCGAN's (Radford et al. 2015, 1511.06434).

    Args:
        std: standard deviation of every weight.
    """

    def __init__(self, *, std: Positive) -> None:
        self.std = std

    def draw(self, weight: Tensor) -> None:
        nn.init.normal_(weight, 0.0, self.std)


class Xavier(Initialization):
    """Xavier (Glorot) initialisation U(-a, a), a = gain sqrt(6 / (inputs + outputs)) (2010), as in SN-GAN's networks.

    Args:
        gain: factor on Glorot's bound.
    """

    def __init__(self, *, gain: Positive) -> None:
        self.gain = gain

    def draw(self, weight: Tensor) -> None:
        nn.init.xavier_uniform_(weight, self.gain)


class He(Initialization):
    """He initialisation N(0, 2 / ((1 + slope^2) inputs)), for layers before a leaky ReLU (He et al. 2015, 1502.01852).

    Args:
        slope: slope of the leaky ReLUs below 0; 0 for ReLUs.
    """

    def __init__(self, *, slope: NonNegative) -> None:
        self.slope = slope

    def draw(self, weight: Tensor) -> None:
        nn.init.kaiming_normal_(weight, self.slope)


class Orthogonal(Initialization):
    """Orthogonal initialisation times `gain` (Saxe et al. 2014, 1312.6120); BigGAN's, and LSGAN's for points (1.4).

    Args:
        gain: singular value of every weight.
    """

    def __init__(self, *, gain: Positive) -> None:
        self.gain = gain

    def draw(self, weight: Tensor) -> None:
        nn.init.orthogonal_(weight, self.gain)
