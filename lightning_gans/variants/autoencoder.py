"""Autoencoder, a baseline without an adversary."""

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Training
from lightning_gans.models.inference import AutoencodingModel


class Autoencoder(Game):
    """Autoencoder: encoder and generator minimise the reconstruction error E |x - G(E(x))|^2.

    The codes are not regularised towards the prior, so `sample` may decode codes that the encoder never produces.

    Args:
        model: encoder, decoder, and the prior that samples are decoded from.
        reconstruction_loss: (reconstructions, samples) -> scalar: torch's mse_loss, or l1_loss.
        training: iterations, batch size and optimisation of the players.
    """

    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[tuple[str, ...]] = ("images", "points")
    headline = "reconstruction_mse"
    model: AutoencodingModel

    def __init__(
        self, *, model: AutoencodingModel, reconstruction_loss: Callable[[Tensor, Tensor], Tensor], training: Training
    ) -> None:
        super().__init__(model=model, training=training)
        self.reconstruction_loss = reconstruction_loss

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"AE": [self.model.encoder, self.model.generator]}

    def phases(self) -> Sequence[Phase]:
        return [Phase("AE", self.loss)]

    def loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        return {"loss": self.reconstruction_loss(self.model(self.model.code(batch.x)), batch.x)}
