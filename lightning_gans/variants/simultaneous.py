"""GAN with simultaneous updates."""

from collections.abc import Sequence

import torch
from torch import Tensor

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import shared
from lightning_gans.core.phase import Stage
from lightning_gans.variants.vanilla import GAN


class SimultaneousGAN(GAN):
    """GAN whose players step simultaneously, with gradients of one pass over one batch.

    PacGAN's code for points (Lin et al. 2018, 1712.04086) and the code of Goodfellow et al. 2014 compute both gradients
    before either step. D and G then see the same generated samples, and D's step does not affect G's gradient.
    """

    def stages(self) -> Sequence[Stage]:
        if self.generator_batches > 1:
            raise UserError(
                f"variant.generator_batches={self.generator_batches}: the players of {type(self).__name__} step on the "
                "same generated samples. Choose 1, or another variant with this objective."
            )
        return [Stage([tuple(self.phases())])]

    @shared
    def generated(self, batch: SampleBatch, *, batches: int = 1) -> Tensor:
        """Generated samples for both players, with the graph that G's loss needs."""
        with torch.enable_grad():
            return super().generated(batch, batches=batches)

    @shared
    def judge(self, x: Tensor, batch: SampleBatch) -> Tensor:
        """Logits of D, computed once for both players; each uses the gradient of its own parameters."""
        return super().judge(x, batch)

    def generator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        on_fake = self.judge(self.generated(batch), batch)
        on_real = self.judge(batch.x, batch) if self.loss.needs_real else None
        return {"loss": self.loss.generator(on_fake, on_real)}
