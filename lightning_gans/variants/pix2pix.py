"""Paired image-to-image translation."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from lightning_gans.core.batches import PairedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Training
from lightning_gans.losses.adversarial import AdversarialLoss
from lightning_gans.losses.mismatch import with_wrong_pairs
from lightning_gans.models.paired import PairedModel
from lightning_gans.settings import Count, NonNegative, Share


class Pix2Pix(Game):
    """pix2pix (Isola et al. 2017, 1611.07004, eq. 1-4): a conditional GAN whose condition is an image, with an L1 loss.

        D: max  E log D(a, b) + E log(1 - D(a, G(a, z)))        G: min  -E log D(a, G(a, z)) + lambda E |b - G(a, z)|_1

    An iteration is a step of D, whose loss is halved (section 3.3), then one of G. D receives the input concatenated
    with the output, so that it can reject realistic outputs that do not match the input.

    With `wrong_pair_weight` above 0, real outputs paired with the input of another pair are also fakes to D (Reed et
    al. 2016, 1605.05396, algorithm 1, with weight 1/2), so that D cannot ignore the input.

    Args:
        model: G, images a (N, A, H, W) and noise -> images b (N, B, H, W).
        discriminator: network on a and b side by side, (N, A + B, H, W) -> logits, of patches or of the whole.
        loss: loss of both players on logits.
        training: iterations, batch size and optimisation of the players.
        image_size: height and width of the training images in pixels.
        l1_weight: weight lambda of the mean absolute error.
        adversarial_weight: weight of G's adversarial term; 0: L1 alone, the paper's baseline, and D does not move.
        discriminator_weight: weight of D's loss.
        wrong_pair_weight: share of wrong pairs in D's term of fakes, 0 to 1; 0: none.
    """

    batch: ClassVar[type] = PairedBatch
    contents: ClassVar[tuple[str, ...]] = ("images",)
    headline = "fid_output"
    model: PairedModel

    def __init__(
        self,
        *,
        model: PairedModel,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        training: Training,
        image_size: Count,
        l1_weight: NonNegative = 100.0,
        adversarial_weight: NonNegative = 1.0,
        discriminator_weight: NonNegative = 0.5,
        wrong_pair_weight: Share = 0.0,
    ) -> None:
        super().__init__(model=model, training=training)
        if not l1_weight and not adversarial_weight:
            raise UserError("variant.l1_weight=0 and variant.adversarial_weight=0 leave G nothing to descend.")
        if wrong_pair_weight and training.batch_size < 2:
            raise UserError(
                f"variant.wrong_pair_weight={wrong_pair_weight}: a wrong pair is of two pairs of a batch. Say "
                "data.batch_size=2 or more."
            )
        try:
            model.check(image_size, image_size)
        except UserError as error:
            raise UserError(f"data.image_size and network.model.generator do not fit: {error}") from error
        self.discriminator, self.loss = discriminator, loss
        self.l1_weight, self.adversarial_weight = l1_weight, adversarial_weight
        self.discriminator_weight, self.wrong_pair_weight = discriminator_weight, wrong_pair_weight

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"D": [self.discriminator], "G": [self.model.generator]}

    def phases(self) -> Sequence[Phase]:
        over: Any = self.loss.over
        generator = Phase("G", self.generator_loss, over=over)
        if not self.adversarial_weight:
            return [generator]
        wrong: Any = "per_rank" if self.wrong_pair_weight else over  # each process forms its own wrong pairs
        return [Phase("D", self.discriminator_loss, over=wrong), generator]

    def generated(self, batch: PairedBatch) -> Tensor:
        """Outputs for the batch's input images, with fresh noise."""
        b: Tensor = self.model(batch.a, self.draws.uniform(len(batch.a), self.model.noise))
        return b

    def judge(self, a: Tensor, b: Tensor) -> Tensor:
        """Logits of D on inputs and outputs, concatenated along channels."""
        logits: Tensor = self.discriminator(torch.cat([a, b], 1))
        return logits

    def discriminator_loss(self, batch: PairedBatch) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = self.generated(batch)
        on_real, on_fake = self.judge(batch.a, batch.b), self.judge(batch.a, fake)
        terms = self.loss.discriminator(on_real, on_fake)
        if self.wrong_pair_weight:
            on_wrong = self.judge(batch.a.roll(1, 0), batch.b)
            wrong = self.loss.discriminator(on_real, on_wrong)
            terms = with_wrong_pairs(terms, wrong, share=self.wrong_pair_weight)
        accuracy = self.loss.accuracy(on_real.detach(), on_fake.detach())
        if accuracy is not None:
            self.monitor("D/accuracy", accuracy)
        return {name: self.discriminator_weight * term for name, term in terms.items()}

    def generator_loss(self, batch: PairedBatch) -> dict[str, Tensor]:
        fake = self.generated(batch)
        terms = {"l1": self.l1_weight * l1_loss(fake, batch.b)} if self.l1_weight else {}
        if self.adversarial_weight:
            on_real = self.judge(batch.a, batch.b) if self.loss.needs_real else None
            terms["adversarial"] = self.adversarial_weight * self.loss.generator(self.judge(batch.a, fake), on_real)
        return terms
