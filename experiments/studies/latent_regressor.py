"""The latent regressor: an encoder trained on generated samples only, z to x to z."""

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.game import shared
from lightning_gans.variants.bigan import BiGAN


class LatentRegressor(BiGAN):
    """Baseline of Donahue et al. 2016 (1605.09782): G and D are trained as a GAN, and E minimises |E(G(z)) - z|^2.

    D is BiGAN's network with codes set to zero, so that it judges samples only and both games have the same networks. E
    never sees real samples in training, and no gradient of E's loss reaches G.

    Args:
        model: G, its prior and E.
        discriminator: samples (N, ...), codes (N, prior.dim) -> logits; all codes are 0.
        loss: loss of D and G on logits, as BiGAN's.
        training: iterations, batch size and optimisation of the players.
    """

    @shared
    def drawn(self, batch: SampleBatch) -> tuple[Tensor, Tensor]:
        """Draw codes and their samples, shared by the three players."""
        z = self.noise(self.model.prior, len(batch.x))
        return z, self.model(z)

    @shared
    def judged(self, batch: SampleBatch) -> tuple[Tensor, Tensor]:
        z, x = self.drawn(batch)
        nothing = torch.zeros_like(z)
        return self.discriminator(batch.x, nothing), self.discriminator(x, nothing)

    def encoder_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        z, x = self.drawn(batch)
        return {"loss": mse_loss(self.inferred(x.detach()), z)}
