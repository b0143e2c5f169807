"""Likelihoods p(x | outputs) of a decoder: Gaussian, Bernoulli and categorical.

Samples are float in [-1, 1] at input and output. A likelihood defines the samples that are modelled (`observe`), their
log-likelihood (`log_prob`) and the image that is shown (`mean`). A log-likelihood is of the whole sample: sums over
pixels, not means.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import log, pi
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from lightning_gans.core.errors import UserError
from lightning_gans.losses.precision import exact
from lightning_gans.settings import Positive

Uniform = Callable[[], Tensor]  # U(0, 1) of the shape of the samples

LEVELS = 256


class Likelihood(nn.Module, ABC):
    """Likelihood p(x | outputs), independent over pixels and channels given the decoder's outputs."""

    def __init__(self) -> None:
        super().__init__()  # torch's constructor accepts any arguments

    def observe(self, x: Tensor, uniform: Uniform) -> Tensor:
        """Map samples x (N, ...) in [-1, 1] to the observed ones, which are modelled and encoded; shape and range stay.

        uniform: called once if random numbers are needed, otherwise not at all.
        """
        return x

    @abstractmethod
    def log_prob(self, outputs: Tensor, observed: Tensor) -> Tensor:
        """Log-likelihood in nats, summed over all elements of a sample: outputs, observed (N, ...) -> (N,)."""

    @abstractmethod
    def mean(self, outputs: Tensor) -> Tensor:
        """Mean E[x | outputs] (N, ...), in [-1, 1] if the samples are: the image that is shown."""


class Gaussian(Likelihood):
    """Gaussian likelihood x ~ N(outputs, std^2) of every element: a density over x in [-1, 1] units.

    For images that span [0, 1], the log-density is larger by log 2 per element. A tanh decoder gives means in range; a
    linear decoder is for points.

    Args:
        std: standard deviation of every number, in [-1, 1]; where it is learned, its initial value.
        learned: one learned standard deviation for all numbers (Rybkin et al. 2021, 2006.13202), which balances
            reconstruction and KL automatically.
    """

    log_std: Tensor

    def __init__(self, *, std: Positive = 1.0, learned: bool = False) -> None:
        super().__init__()
        if not std > 0:
            raise UserError(f"likelihood.std={std}: must be above 0.")
        start = torch.tensor(log(std))
        if learned:
            self.log_std = nn.Parameter(start)
        else:
            self.register_buffer("log_std", start)

    def log_prob(self, outputs: Tensor, observed: Tensor) -> Tensor:
        scaled = (observed - exact(outputs)) * (-self.log_std).exp()
        return -(scaled.square() / 2 + self.log_std + log(2 * pi) / 2).flatten(1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        return outputs


class Bernoulli(Likelihood):
    """Bernoulli likelihood of binary pixels, -1 or 1, with logits `outputs`: a probability, so that log p <= 0.

    Args:
        binarize: binarisation of grey values; None: they are taken as probabilities. "stochastic": each pixel is 1 with
            probability (x + 1) / 2, drawn anew each time it is seen (Burda et al. 2015, 1509.00519). "threshold": 1
            where x > 0. With None, log p is its mean over stochastic binarisations; a model's `log_likelihood` is then
            at most the mean log-likelihood of those.
    """

    logits: ClassVar[bool] = True

    def __init__(self, *, binarize: Literal["stochastic", "threshold"] | None = "stochastic") -> None:
        super().__init__()
        if binarize not in ("stochastic", "threshold", None):
            raise UserError(f"likelihood.binarize={binarize!r}: it is stochastic, threshold or null.")
        self.binarize = binarize

    def observe(self, x: Tensor, uniform: Uniform) -> Tensor:
        match self.binarize:
            case "stochastic":
                return (uniform() < (x + 1) / 2).to(x) * 2 - 1
            case "threshold":
                return (x > 0).to(x) * 2 - 1
        return x

    def log_prob(self, outputs: Tensor, observed: Tensor) -> Tensor:
        cross_entropy = binary_cross_entropy_with_logits(exact(outputs), (exact(observed) + 1) / 2, reduction="none")
        return -cross_entropy.flatten(1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        return (outputs / 2).tanh()  # 2 sigmoid - 1


class Categorical(Likelihood):
    """Categorical likelihood of 256 levels per element: logits outputs (N, 256 C, ...), levels of a channel adjacent.

    A probability over bytes, so that log p <= 0, and -log2 p is in bits.
    """

    logits: ClassVar[bool] = True

    def observe(self, x: Tensor, uniform: Uniform) -> Tensor:
        return self._values(self._levels(x)).to(x)

    def log_prob(self, outputs: Tensor, observed: Tensor) -> Tensor:
        logits = exact(self._by_level(outputs))
        return -cross_entropy(logits, self._levels(observed), reduction="none").flatten(1).sum(1)

    def mean(self, outputs: Tensor) -> Tensor:
        values = self._values(torch.arange(LEVELS, device=outputs.device)).to(outputs)
        mean: Tensor = (self._by_level(outputs).softmax(1).movedim(1, -1) * values).sum(-1)
        return mean

    @staticmethod
    def _by_level(outputs: Tensor) -> Tensor:
        """(N, 256 C, ...) -> (N, 256, C, ...)."""
        if outputs.shape[1] % LEVELS:
            raise ValueError(
                f"{outputs.shape[1]} channels of outputs: a categorical likelihood needs {LEVELS} for each"
            )
        by_level: Tensor = outputs.unflatten(1, (-1, LEVELS)).transpose(1, 2)
        return by_level

    @staticmethod
    def _levels(x: Tensor) -> Tensor:
        return ((exact(x) + 1) * 127.5).round().long().clamp(0, LEVELS - 1)

    @staticmethod
    def _values(levels: Tensor) -> Tensor:
        return levels.float() / 127.5 - 1
