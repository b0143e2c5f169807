"""Bidirectional generative adversarial networks."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game, shared
from lightning_gans.core.phase import Phase, Training, Update
from lightning_gans.losses.adversarial import AdversarialLoss, SeparableLoss
from lightning_gans.models.inference import InferenceModel


class BiGAN(Game):
    """Bidirectional GAN (Donahue et al. 2016, 1605.09782): D judges (x, E(x)) and (G(z), z); E learns to invert G.

    D, E and G step simultaneously, with gradients of one pass over one batch. E and G descend the losses with inverted
    labels (section 2.3; the authors' code), each on its own pairs: E with the label of generator pairs, G with the
    label of encoder pairs.

    Args:
        model: G, its prior and E.
        discriminator: samples (N, ...), codes (N, prior.dim) -> logits; the encoder's pairs are its real ones.
        loss: loss on the logits of pairs; the same game seen from either side, as NonSaturating, Minimax, LeastSquares
            and Hinge are.
        training: iterations, batch size and optimisation of the players.
    """

    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[tuple[str, ...]] = ("images", "points")
    scale: ClassVar[float] = 0.5  # factor of every loss, for a mean over both kinds of pairs
    model: InferenceModel

    def __init__(
        self, *, model: InferenceModel, discriminator: nn.Module, loss: AdversarialLoss, training: Training
    ) -> None:
        super().__init__(model=model, training=training)
        self.discriminator = discriminator
        self.loss = _mirrored(loss)

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"D": [self.discriminator], "E": [self.model.encoder], "G": [self.model.generator]}

    def phases(self) -> Sequence[Phase | Update]:
        return [
            (
                Phase("D", self.discriminator_loss),
                Phase("E", self.encoder_loss),
                Phase("G", self.generator_loss),
            )
        ]

    def inferred(self, x: Tensor) -> Tensor:
        """Codes of samples, as D receives them: (N, ...) -> (N, prior.dim)."""
        return self.model.code(x)

    @shared
    def judged(self, batch: SampleBatch) -> tuple[Tensor, Tensor]:
        """Logits of D on (x, E(x)) and (G(z), z), computed once for the three players."""
        z = self.noise(self.model.prior, len(batch.x))
        return self.discriminator(batch.x, self.inferred(batch.x)), self.discriminator(self.model(z), z)

    def discriminator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        on_encoder, on_generator = self.judged(batch)
        terms = self.loss.discriminator(on_encoder, on_generator)
        with torch.no_grad():
            accuracy = self.loss.accuracy(on_encoder, on_generator)
            if accuracy is not None:
                self.monitor("D/accuracy", accuracy)
            self.monitor(f"D/{self.loss.divergence}", self.loss.estimate(sum(terms.values())))  # type: ignore[arg-type]
        return {name: self.scale * term for name, term in terms.items()}

    def encoder_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        on_encoder, _ = self.judged(batch)
        assert self.loss.boundary is not None
        # E's pairs are on the other side of the boundary: with mirrored logits, E has the loss of G.
        return {"loss": self.scale * self.loss.generator(2 * self.loss.boundary - on_encoder)}

    def generator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        _, on_generator = self.judged(batch)
        return {"loss": self.scale * self.loss.generator(on_generator)}


def _mirrored(loss: AdversarialLoss) -> AdversarialLoss:
    """Return the loss if it is symmetric in real and fake logits, mirrored at its boundary.

    Raises:
        UserError: the loss of E would differ from the loss of G.
    """
    if isinstance(loss, SeparableLoss) and loss.boundary is not None:
        logits = torch.tensor([-3.0, -0.4, 0.2, 1.7])
        if all(torch.isclose(loss.real(2 * loss.boundary - t), loss.fake(t), atol=1e-6) for t in logits):
            return loss
    raise UserError(
        f"{type(loss).__name__} is not the same for real and generated pairs, and here E has to fool D as G does. "
        "Choose objective=non_saturating, minimax, least_squares or hinge."
    )
