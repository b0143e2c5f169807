"""Generative adversarial nets."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Training
from lightning_gans.core.protocols import Augment
from lightning_gans.losses.adversarial import AdversarialLoss
from lightning_gans.losses.penalties import Penalty
from lightning_gans.models.generative import GenerativeModel


class GAN(Game):
    """Goodfellow et al. 2014 (1406.2661), Algorithm 1: k steps of D, each on fresh data and noise, then one of G.

    Args:
        model: G and its prior, z (N, dim) -> samples (N, ...).
        discriminator: samples (N, ...) -> logits, no sigmoid.
        loss: what D and G descend on logits.
        penalty: a term on D's gradient, or None.
        augment: what D's inputs, real and generated, go through first, or None.
        discriminator_steps: k of Algorithm 1; an iteration is one step of D.
    """

    batch: ClassVar[type] = SampleBatch
    model: GenerativeModel

    def __init__(
        self,
        *,
        model: GenerativeModel,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        training: Training,
        penalty: Penalty | None = None,
        augment: Augment | None = None,
        discriminator_steps: int = 1,
    ) -> None:
        super().__init__(model=model, training=training)
        if discriminator_steps < 1:
            raise UserError(f"variant.discriminator_steps={discriminator_steps}: must be at least 1.")
        self.discriminator = discriminator
        self.loss = loss
        self.penalty = penalty
        self.augment = augment
        self.discriminator_steps = discriminator_steps

    def players(self) -> Mapping[str, Sequence[nn.Module]]:
        return {"D": [self.discriminator], "G": [self.model.generator]}

    def phases(self) -> Sequence[Phase]:
        return [Phase("D", self.discriminator_loss), Phase("G", self.generator_loss, every=self.discriminator_steps)]

    def generated(self, batch: SampleBatch) -> Tensor:
        x: Tensor = self.model(self.noise(self.model.prior, len(batch.x)))
        return x

    def judge(self, x: Tensor) -> Tensor:
        """D's logits on samples (N, ...), augmented where that is asked for."""
        if self.augment is not None:
            x = self.augment(x, self.draws.uniform(len(x), self.augment.numbers))
        logits: Tensor = self.discriminator(x)
        return logits

    def discriminator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = self.generated(batch)
        # Two passes: batch norm must not see real and fake samples together.
        on_real, on_fake = self.judge(batch.x), self.judge(fake)
        self.monitor("D/accuracy", torch.cat([on_real > 0, on_fake < 0]).float().mean())
        terms = {"real": self.loss.real(on_real), "fake": self.loss.fake(on_fake)}
        if self.penalty is not None:
            terms["penalty"] = self.penalty(self.judge, batch.x, fake)
        return terms

    def generator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        return {"loss": self.loss.generator(self.judge(self.generated(batch)))}
