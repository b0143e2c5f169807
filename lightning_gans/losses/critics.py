"""Losses of critics that judge two kinds of fakes: samples from prior codes, and reconstructions.

D's logits are (N, outputs) for each kind; every term is a mean over the batch. The decoder descends the mean over both
kinds of fakes.
"""

from abc import ABC, abstractmethod
from math import log
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightning_gans.losses.adversarial import AdversarialLoss
from lightning_gans.losses.precision import exact


class Judged(NamedTuple):
    """Logits of D, (N, outputs) each, on samples x, generated x_p = Dec(z_p) and reconstructed x~ = Dec(Enc(x))."""

    real: Tensor
    generated: Tensor
    reconstructed: Tensor


class Critic(ABC):
    """Adversarial loss L_GAN of VAE-GAN. D minimises the sum of `discriminator(...)`, the decoder `decoder(...)`.

    outputs: number of D's logits for each sample. divergence, over: as in AdversarialLoss.
    """

    outputs: ClassVar[int]
    divergence: str
    over: Literal["mean", "per_rank"] = "mean"

    @abstractmethod
    def discriminator(self, on: Judged) -> dict[str, Tensor]:
        """Loss terms of D, by the kind of sample."""

    @abstractmethod
    def decoder(self, on: Judged) -> Tensor:
        """Adversarial loss of the decoder."""

    @abstractmethod
    def costs(self, on: Judged) -> Tensor:
        """Mean cost of D on real samples and on fakes of both kinds: (2,), for the equilibrium rule."""

    @abstractmethod
    def estimate(self, loss: Tensor) -> Tensor:
        """Divergence estimated by D's loss (the sum of its terms)."""

    @abstractmethod
    def accuracy(self, on: Judged) -> Tensor | None:
        """Accuracy of D; None for a critic without a boundary."""


class Binary(Critic):
    """Binary critic, real or fake, under any adversarial loss (Larsen et al. 2015, 1512.09300, eq. 7).

    Each kind of fakes has weight 1/2 and the real samples have weight 1, as in the paper's code (a plain sum would put
    D's optimum at 1/3 for equal distributions). The game is then against the even mixture of the fakes, so all
    properties of `loss` hold for it.
    """

    outputs = 1

    def __init__(self, *, loss: AdversarialLoss) -> None:
        self.loss, self.divergence, self.over = loss, loss.divergence, loss.over

    def discriminator(self, on: Judged) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for kind, fake in (("generated", on.generated), ("reconstructed", on.reconstructed)):
            for name, term in self.loss.discriminator(on.real, fake).items():
                name = "real" if name == "real" else kind
                terms[name] = terms[name] + term / 2 if name in terms else term / 2
        return terms

    def decoder(self, on: Judged) -> Tensor:
        against = on.real if self.loss.needs_real else None
        return (self.loss.generator(on.generated, against) + self.loss.generator(on.reconstructed, against)) / 2

    def costs(self, on: Judged) -> Tensor:
        terms = self.discriminator(on)
        fake = terms["generated"] + terms["reconstructed"]
        return torch.stack([terms.get("real", fake), fake])

    def estimate(self, loss: Tensor) -> Tensor:
        return self.loss.estimate(loss)

    def accuracy(self, on: Judged) -> Tensor | None:
        generated, reconstructed = (
            self.loss.accuracy(on.real, on.generated),
            self.loss.accuracy(on.real, on.reconstructed),
        )
        return None if generated is None or reconstructed is None else (generated + reconstructed) / 2


class ThreeWay(Critic):
    """Three-way critic: softmax over real, generated and reconstructed; the decoder's target for both fakes is "real".

    At D's optimum, the softmax of the kinds' log densities, its loss is 3 log 3 - 3 JSD of the three distributions,
    which lies in [0, log 3].
    """

    outputs = 3
    divergence = "js"

    def discriminator(self, on: Judged) -> dict[str, Tensor]:
        return {name: _towards(kind, logits) for kind, (name, logits) in enumerate(on._asdict().items())}

    def decoder(self, on: Judged) -> Tensor:
        return (_towards(0, on.generated) + _towards(0, on.reconstructed)) / 2

    def costs(self, on: Judged) -> Tensor:
        real, generated, reconstructed = self.discriminator(on).values()
        return torch.stack([real, (generated + reconstructed) / 2])

    def estimate(self, loss: Tensor) -> Tensor:
        return log(3) - loss / 3

    def accuracy(self, on: Judged) -> Tensor:
        return torch.stack([(logits.argmax(1) == kind).float().mean() for kind, logits in enumerate(on)]).mean()


def _towards(kind: int, logits: Tensor) -> Tensor:
    """Cross-entropy of logits (N, 3) with a kind, given by its index in `Judged`."""
    return cross_entropy(exact(logits), torch.full((len(logits),), kind, device=logits.device))
