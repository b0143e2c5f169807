"""Triple-GAN model: a conditional generator and a classifier."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.prior import Prior
from lightning_gans.models.conditional import ConditionalGenerativeModel
from lightning_gans.models.generative import CHUNK, evaluating, reestimate
from lightning_gans.settings import Count


class TripleModel(ConditionalGenerativeModel):
    """Triple-GAN model x = G(z, y), z ~ p(z), and a classifier p_c(y | x) (Li et al. 2017, 1703.02291).

    Args:
        generator: z (N, prior.dim), y (N,) int64 -> samples (N, ...).
        prior: distribution of latent codes.
        classifier: samples (N, ...) -> logits (N, classes).
        classes: number of classes in the data.
    """

    role: ClassVar[str | None] = "generation by class and classification"

    def __init__(self, *, generator: nn.Module, prior: Prior, classifier: nn.Module, classes: Count) -> None:
        super().__init__(generator=generator, prior=prior, classes=classes)
        self.classifier = classifier

    def calibrate_on(self, batches: Iterable[Tensor]) -> None:
        """Re-estimate C's batch-norm statistics for its current weights, from batches of real samples (N, ...)."""
        reestimate(self.classifier, batches)

    def classify(self, x: Tensor) -> Tensor:
        """Classify samples (N, ...): p_c(y | x), in eval mode without gradients: (N, classes)."""
        like = next((p for p in self.parameters() if p.is_floating_point()), x)
        with evaluating(self):
            return torch.cat([self.classifier(part.to(like)).softmax(1) for part in x.split(CHUNK)])
