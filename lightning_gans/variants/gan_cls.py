"""GAN-CLS: generation from condition vectors, with a matching-aware discriminator."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_gans.core.batches import ConditionedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.losses.mismatch import with_wrong_pairs
from lightning_gans.models.conditioned import ConditionedModel
from lightning_gans.settings import Count, Share
from lightning_gans.variants.vanilla import GAN


class GANCLS(GAN):
    """GAN-CLS (Reed et al. 2016, 1605.05396, Algorithm 1): a generator G(z, c) and a D that sees the condition c.

        D: max  E log D(x, c) + (1 - w) E log(1 - D(G(z, c), c)) + w E log(1 - D(x, c'))
        G: min  -E log D(G(z, c), c)

    c' is the condition of another training image. A real image with a wrong condition is a fake to D, so that D cannot
    judge the image alone. w is `wrong_pair_weight`, 1/2 in the paper; 0 gives the conditional GAN of Mirza & Osindero
    2014.

    Args:
        model: G and its prior, z (N, dim), c (N, d) -> images (N, ...).
        discriminator: images (N, ...), standardised conditions (N, d) -> logits.
        packing: samples that D classifies jointly; only 1, because the samples of a pack have different conditions.
        wrong_pair_weight: share w of wrong pairs among the fakes of D; 0: none.
        settings: as GAN's.

    Raises:
        UserError: packing, or data whose conditions have another length than the model's.
    """

    batch: ClassVar[type] = ConditionedBatch
    contents: ClassVar[tuple[str, ...]] = ("images",)
    model: ConditionedModel

    def __init__(
        self, *, model: ConditionedModel, packing: Count = 1, wrong_pair_weight: Share = 0.5, **settings: Any
    ) -> None:
        if packing != 1:
            raise UserError(
                f"variant.packing={packing}: {type(self).__name__} judges each sample by its own condition, so samples "
                "are not packed. Say variant.packing=1, or choose variant=dcgan."
            )
        super().__init__(model=model, **settings)
        self.wrong_pair_weight = wrong_pair_weight

    def setup(self, stage: str) -> None:
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None) if self._trainer is not None else None
        if data is None:
            return  # another data module: the caller fits the model's conditions
        conditions = data.split("train").conditions
        if conditions.shape[1] != self.model.condition_dim:
            raise UserError(
                f"The model takes conditions of {self.model.condition_dim} numbers, and those of the data have "
                f"{conditions.shape[1]}. Say network.model.condition_dim={conditions.shape[1]}."
            )
        self.model.fit_conditions(conditions)

    def generated(self, batch: Any, *, batches: int = 1) -> Tensor:
        n = batches * len(batch.x)
        x: Tensor = self.model(self.noise(self.model.prior, n), batch.condition.repeat(batches, 1))
        return x

    def judge(self, x: Tensor, batch: Any) -> Tensor:
        condition = batch.condition.repeat(len(x) // len(batch.condition), 1)
        logits: Tensor = self.discriminator(self.seen(x), self.model.standardised(condition))
        return logits

    def logits(self, x: Tensor) -> Tensor | None:
        """Return None: D needs the condition as well as the sample."""
        return None

    def discriminator_loss(self, batch: Any) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = self.generated(batch)
        self.watch(batch.x, fake)
        on_real, on_fake = self.judge(batch.x, batch), self.judge(fake, batch)
        terms = self.loss.discriminator(on_real, on_fake)
        if self.wrong_pair_weight:
            wrong = batch._replace(condition=self.model.drawn(self.draws.uniform(len(batch.x), 1)[:, 0]))
            terms = with_wrong_pairs(
                terms, self.loss.discriminator(on_real, self.judge(batch.x, wrong)), share=self.wrong_pair_weight
            )
        return self.completed(terms, on_real, on_fake, batch, fake)
