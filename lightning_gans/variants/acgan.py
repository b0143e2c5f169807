"""Auxiliary-classifier GAN."""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightning_gans.core.batches import SampleBatch
from lightning_gans.settings import NonNegative
from lightning_gans.variants.cgan import ConditionalGAN


class ACGAN(ConditionalGAN):
    """Auxiliary-classifier GAN (Odena et al. 2016, 1610.09585, eq. 2-3): D classifies samples, real and generated.

    L_S = E log P(real | x) + E log P(fake | G(z, y)), L_C = E log P(y | x) + E log P(y | G(z, y)). D ascends L_S + L_C,
    G ascends L_C - L_S; L_S is `loss`. G is rewarded for samples that are easy to classify, so it avoids regions in
    which classes overlap.

    Args:
        discriminator_class_weight: weight of the classes' cross-entropy in D's loss.
        generator_class_weight: weight of the classes' cross-entropy in G's loss.
        fake_class_weight: weight of the generated samples' part of D's cross-entropy, beside 1 for that of real ones;
            0 leaves it out, as the code of WGAN-GP (Gulrajani et al. 2017) does, with 0.1 for G.
        discriminator: samples (N, ...) -> logits (N, 1), class logits (N, classes).
        settings: as ConditionalGAN's.
    """

    auxiliary: ClassVar[bool] = True

    def __init__(
        self,
        *,
        discriminator_class_weight: NonNegative = 1.0,
        generator_class_weight: NonNegative = 1.0,
        fake_class_weight: NonNegative = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.discriminator_class_weight = discriminator_class_weight
        self.generator_class_weight = generator_class_weight
        self.fake_class_weight = fake_class_weight

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, 1) and class logits (N, classes) of D on samples (N, ...)."""
        logits, class_logits = self.discriminator(self.seen(x))
        return logits, class_logits

    def judge(self, x: Tensor, batch: SampleBatch) -> Tensor:
        return self.heads(x)[0]

    def discriminator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        places = self.places(batch)
        with torch.no_grad():
            fake = self.generated(places)
        self.watch(batch.x, fake)
        label, weight = self.labels(batch, len(batch.x)), self.discriminator_class_weight
        (on_real, real_class), (on_fake, fake_class) = self.heads(batch.x), self.heads(fake)
        terms = self.loss.discriminator(on_real, on_fake)
        self.monitor("D/class_accuracy", (real_class.detach().argmax(1) == label).float().mean())
        terms = self.completed(terms, on_real, on_fake, batch, fake)
        terms["class_real"] = weight * cross_entropy(real_class, label)
        if self.fake_class_weight > 0:
            of_fake = cross_entropy(fake_class, self.labels(places, len(fake)))
            terms["class_fake"] = self.fake_class_weight * weight * of_fake
        return terms

    def generator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        places = self.places(batch, batches=self.generator_batches)
        fake = self.generated(places, batches=self.generator_batches)
        on_fake, fake_class = self.heads(fake)
        on_real = self.judge(batch.x, batch) if self.loss.needs_real else None
        return {
            "adversarial": self.loss.generator(on_fake, on_real),
            "class": self.generator_class_weight * cross_entropy(fake_class, self.labels(places, len(fake))),
        }
