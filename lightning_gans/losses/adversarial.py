"""Adversarial losses as pure pairs: what D descends on real and fake logits, what G descends on fake logits.

Logits are raw discriminator outputs of any shape; every loss is a mean over all of them, in a form that is stable for
logits of any size. sp is softplus: -log sigmoid(t) = sp(-t), -log(1 - sigmoid(t)) = sp(t).
"""

from typing import Protocol

from torch import Tensor
from torch.nn.functional import softplus


class AdversarialLoss(Protocol):
    """A game on logits: D descends `real(D(x)) + fake(D(G(z)))`, G descends `generator(D(G(z)))`."""

    def real(self, logits: Tensor) -> Tensor: ...

    def fake(self, logits: Tensor) -> Tensor: ...

    def generator(self, logits: Tensor) -> Tensor: ...


class _CrossEntropy:
    """D's side of Goodfellow et al. 2014, eq. 1: at its optimum -(2 JSD(p, q) - 2 log 2)."""

    def real(self, logits: Tensor) -> Tensor:
        return softplus(-logits).mean()

    def fake(self, logits: Tensor) -> Tensor:
        return softplus(logits).mean()


class Minimax(_CrossEntropy):
    """Goodfellow et al. 2014 (1406.2661), eq. 1: G descends log(1 - sigmoid(D)), which saturates when D is sure."""

    def generator(self, logits: Tensor) -> Tensor:
        return -softplus(logits).mean()


class NonSaturating(_CrossEntropy):
    """Goodfellow et al. 2014 (1406.2661), section 3: G descends -log sigmoid(D), strong when D is sure."""

    def generator(self, logits: Tensor) -> Tensor:
        return softplus(-logits).mean()
