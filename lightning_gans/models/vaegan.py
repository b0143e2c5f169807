"""VAE-GAN model: encoder and decoder."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor

from lightning_gans.core.rng import stream
from lightning_gans.models.generative import reestimate
from lightning_gans.models.inference import GaussianInferenceModel


class VAEGANModel(GaussianInferenceModel):
    """VAE-GAN model, whose generator decodes codes of samples and of the prior in one batch (1512.09300)."""

    role: ClassVar[str | None] = "autoencoding with a learned similarity"

    def decoded(self, z: Tensor, z_p: Tensor) -> tuple[Tensor, Tensor]:
        """Decode z and z_p in one batch, x~ = G(z), x_p = G(z_p): both (N, prior.dim) -> both (N, *sample_shape)."""
        reconstructed, generated = self(torch.cat([z, z_p])).split([len(z), len(z_p)])
        return reconstructed, generated

    def calibrate_on(self, batches: Iterable[Tensor]) -> None:
        """Re-estimate both networks' statistics, the generator's from equal numbers of sample codes and prior codes."""
        real = list(batches)
        super().calibrate_on(real)
        codes = [self.drawn_codes(x, key) for key, x in enumerate(real)]
        prior = [self.prior.sample(len(z), stream("calibration prior", key)).to(z) for key, z in enumerate(codes)]
        reestimate(self.generator, [torch.cat(both) for both in zip(codes, prior, strict=True)])
