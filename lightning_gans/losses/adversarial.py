"""Adversarial losses: pure functions of D's logits on real and fake samples, for D and for G.

Logits are raw discriminator outputs of any shape. Every loss is a mean over all of them, in a numerically stable form,
and is computed in float32 if the network ran in lower precision. sp is softplus:
-log sigmoid(t) = sp(-t), -log(1 - sigmoid(t)) = sp(t). p is the data's distribution, q the generator's.

A loss also defines the divergence that D's training estimates: at D's optimum, `estimate` is the named divergence
between p and q; before it, a lower estimate (up to the batch's sampling error).
"""

from abc import ABC, abstractmethod
from math import log
from typing import Any, ClassVar, Literal

from torch import Tensor
from torch.nn.functional import relu, softplus

from lightning_gans.losses.precision import on_exact

_ON_LOGITS = ("real", "fake", "discriminator", "generator", "accuracy")


class AdversarialLoss(ABC):
    """Base class of adversarial losses. D minimises the sum of `discriminator(D(x), D(G(z)))`.

    divergence: name of the quantity that `estimate` approaches.
    needs_real: the loss compares real with fake logits, so G's loss takes both: `generator(D(G(z)), D(x))`; otherwise
        it takes the fake logits only.
    plain: factor that converts G's loss to the form without a factor 1/2, as in the code of other papers.
    over: "mean", a mean over samples or pairs; "per_rank", a function of the part of the batch that it is given.
    boundary: the logit that separates real from fake; None for a critic, whose zero has no meaning.
    """

    divergence: ClassVar[str]
    needs_real: ClassVar[bool] = False
    plain: ClassVar[float] = 1.0
    over: ClassVar[Literal["mean", "per_rank"]] = "mean"
    boundary: float | None = 0.0
    needs_lipschitz: ClassVar[bool] = False

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        for name in _ON_LOGITS:
            if name in vars(cls) and not getattr(vars(cls)[name], "__isabstractmethod__", False):
                setattr(cls, name, on_exact(vars(cls)[name]))

    @abstractmethod
    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
        """Loss terms of the discriminator, by name."""

    @abstractmethod
    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        """Loss of the generator."""

    @abstractmethod
    def estimate(self, loss: Tensor) -> Tensor:
        """Divergence estimated by D's loss (the sum of its terms), in nats if it is an f-divergence."""

    def accuracy(self, on_real: Tensor, on_fake: Tensor) -> Tensor | None:
        """Share of the logits on the right side of the boundary; None without a boundary."""
        if self.boundary is None:
            return None
        right = (on_real > self.boundary).float().mean() + (on_fake < self.boundary).float().mean()
        return right / 2


class SeparableLoss(AdversarialLoss):
    """Loss with separate terms for real and fake logits: D minimises `real(D(x)) + fake(D(G(z)))`."""

    @abstractmethod
    def real(self, logits: Tensor) -> Tensor: ...

    @abstractmethod
    def fake(self, logits: Tensor) -> Tensor: ...

    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
        return {"real": self.real(on_real), "fake": self.fake(on_fake)}


class _CrossEntropy(SeparableLoss):
    """D's side of Goodfellow et al. 2014, eq. 1: at its optimum 2 log 2 - 2 JSD(p, q)."""

    divergence = "js"

    def real(self, logits: Tensor) -> Tensor:
        return softplus(-logits).mean()

    def fake(self, logits: Tensor) -> Tensor:
        return softplus(logits).mean()

    def estimate(self, loss: Tensor) -> Tensor:
        return log(2) - loss / 2


class Minimax(_CrossEntropy):
    """Minimax loss (Goodfellow et al. 2014, 1406.2661, eq. 1): G minimises log(1 - sigmoid(D)), which saturates."""

    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        return -softplus(on_fake).mean()


class NonSaturating(_CrossEntropy):
    """Non-saturating loss (Goodfellow et al. 2014, 1406.2661, section 3): G minimises -log sigmoid(D)."""

    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        return softplus(-on_fake).mean()


class LeastSquares(SeparableLoss):
    """Least-squares loss (Mao et al. 2016, 1611.04076, eq. 9): D regresses to b on real and a on fake samples, G to c.

    (a, b, c) = (0, 1, 1) is the scheme of the authors' code; (-1, 1, 0) makes G descend Pearson's chi2(p + q || 2 q).
    At D's optimum (b p + a q) / (p + q), its loss stands for the Vincze-Le Cam divergence, 1/2 int (p - q)^2 / (p + q),
    which lies in [0, 1].

    Args:
        a: D's label of fakes.
        b: D's label of real samples.
        c: target of G for D's output on fakes.
    """

    divergence = "le_cam"
    plain = 2.0

    def __init__(self, *, a: float = 0.0, b: float = 1.0, c: float = 1.0) -> None:
        if not b > a:
            raise ValueError(f"a={a}, b={b}: the label of real samples, b, has to lie above that of fakes")
        self.a, self.b, self.c = a, b, c
        self.boundary = (a + b) / 2

    def real(self, logits: Tensor) -> Tensor:
        return (logits - self.b).square().mean() / 2

    def fake(self, logits: Tensor) -> Tensor:
        return (logits - self.a).square().mean() / 2

    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        return (on_fake - self.c).square().mean() / 2

    def estimate(self, loss: Tensor) -> Tensor:
        return 1 - 4 * loss / (self.b - self.a) ** 2


class Hinge(SeparableLoss):
    """Hinge loss: Geometric GAN (Lim & Ye 2017, 1705.02894), eq. 12-13; SN-GAN (Miyato et al. 2018), eq. 16-17.

    D's loss is zero beyond a margin of 1; G's gradient never saturates. At D's optimum sign(p - q), D's loss is
    2 - 2 TV(p, q).
    """

    divergence = "total_variation"

    def real(self, logits: Tensor) -> Tensor:
        return relu(1 - logits).mean()

    def fake(self, logits: Tensor) -> Tensor:
        return relu(1 + logits).mean()

    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        return -on_fake.mean()

    def estimate(self, loss: Tensor) -> Tensor:
        return 1 - loss / 2


class Wasserstein(SeparableLoss):
    """Wasserstein loss (Arjovsky et al. 2017, 1701.07875, eq. 2 and Algorithm 1): difference of the critic's means.

    Requires a Lipschitz constraint on the critic: weight clipping, a gradient penalty or spectral normalisation. The
    gap then estimates K W1(p, q), where K is the Lipschitz constant.
    """

    divergence = "wasserstein"
    boundary = None
    needs_lipschitz = True

    def real(self, logits: Tensor) -> Tensor:
        return -logits.mean()

    def fake(self, logits: Tensor) -> Tensor:
        return logits.mean()

    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        return -on_fake.mean()

    def estimate(self, loss: Tensor) -> Tensor:
        return -loss


class _RelativisticLoss(AdversarialLoss):
    """Relativistic loss (Jolicoeur-Martineau 2018, 1807.00734): D predicts which of two samples is real."""

    needs_real = True
    boundary = None

    def accuracy(self, on_real: Tensor, on_fake: Tensor) -> Tensor | None:
        """Share of the pairs in which D scores the real sample higher."""
        return (on_real > on_fake).float().mean()

    def generator(self, on_fake: Tensor, on_real: Tensor | None = None) -> Tensor:
        if on_real is None:
            raise ValueError(f"{type(self).__name__} compares: its generator needs the logits of real samples too")
        return self._roles_swapped(on_fake, on_real)

    @abstractmethod
    def _roles_swapped(self, on_fake: Tensor, on_real: Tensor) -> Tensor: ...


class RelativisticPairing(_RelativisticLoss):
    """Relativistic pairing loss, RpGAN (Jolicoeur-Martineau 2018, eq. 8-9); R3GAN's (2501.05441, eq. 2).

    Real and fake logits are compared in pairs, in the order of the batch. D* = log p / q + C, for any C.
    """

    divergence = "relativistic"

    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
        return {"pairs": softplus(on_fake - on_real).mean()}

    def _roles_swapped(self, on_fake: Tensor, on_real: Tensor) -> Tensor:
        return softplus(on_real - on_fake).mean()

    def estimate(self, loss: Tensor) -> Tensor:
        return 2 * (log(2) - loss)


class RelativisticAverage(_RelativisticLoss):
    """Relativistic average loss, RaGAN (Jolicoeur-Martineau 2018, eq. 10-11): logits against the other kind's mean.

    A function of the whole batch: with several processes, each compares within its own part.
    """

    divergence = "relativistic_average"
    over = "per_rank"

    def discriminator(self, on_real: Tensor, on_fake: Tensor) -> dict[str, Tensor]:
        return {
            "real": softplus(on_fake.mean() - on_real).mean(),
            "fake": softplus(on_fake - on_real.mean()).mean(),
        }

    def _roles_swapped(self, on_fake: Tensor, on_real: Tensor) -> Tensor:
        return softplus(on_real.mean() - on_fake).mean() + softplus(on_real - on_fake.mean()).mean()

    def estimate(self, loss: Tensor) -> Tensor:
        return 2 * log(2) - loss
