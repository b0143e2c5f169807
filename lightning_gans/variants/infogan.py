"""Information-maximising GAN."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Categorical, Prior, Uniform
from lightning_gans.losses.information import (
    categorical_entropy,
    categorical_log_density,
    gaussian_log_density,
    normal_entropy,
    uniform_entropy,
)
from lightning_gans.models.generative import norms
from lightning_gans.models.infogan import InfoGANModel
from lightning_gans.settings import Natural, NonNegative
from lightning_gans.variants.vanilla import GAN


class InfoGAN(GAN):
    """InfoGAN (Chen et al. 2016, 1606.03657, eq. 6): min_{G, Q} max_D V(D, G) - lambda L_I(G, Q), codes without labels.

    L_I = E log q(c | G(z, c)) + H(c) is a lower bound on the mutual information of codes and samples. Q is a head on
    D's layers, so the player D owns both. As in the paper's code, D descends its own loss - lambda L_I on the fakes
    that it judges, and G descends its own loss - lambda L_I on its own batch. Both use the c that the sample was
    generated from.

    Args:
        model: G, the prior of noise and codes, and the encoder: layers that D and Q share, and Q.
        discriminator: features that D and Q share (N, feature_dim) -> logits (N, 1).
        information_weight: weight lambda of the bound on I(c; G(z, c)) in both losses, for all codes; 1 in the paper's
            code.
        information_warmup: iterations in which lambda rises from 0; 0 in the paper. Q soon recovers the codes from G's
            initial samples; without the warm-up, categories are fixed before G has learnt the data.
        settings: as GAN's.
    """

    contents: ClassVar[tuple[str, ...]] = ("images", "points")
    model: InfoGANModel

    def __init__(
        self,
        *,
        model: InfoGANModel,
        discriminator: nn.Module,
        information_weight: NonNegative = 1.0,
        information_warmup: Natural = 0,
        **settings: Any,
    ) -> None:
        super().__init__(model=model, discriminator=discriminator, **settings)
        if not isinstance(model, InfoGANModel):
            raise UserError(
                f"InfoGAN needs a model that recognises codes, an InfoGANModel, and was given a "
                f"{type(model).__name__}. Choose network=infogan or infogan_mlp."
            )
        if self.packing > 1:
            raise UserError(
                f"variant.packing={self.packing}: Q, which shares D's layers, recognises the code of one sample at a "
                "time. Choose packing 1."
            )
        if self.penalty is not None and norms(model.trunk):
            raise UserError(
                f"{type(self.penalty).__name__} is a function of each sample's own gradient, and batch norm in the "
                "layers that D shares with Q makes each logit depend on the whole batch. Say network=infogan_mlp "
                "network.model.encoder.batch_norm=false; or penalty=none."
            )
        if not information_weight >= 0:
            raise UserError(f"variant.information_weight={information_weight}: must be at least 0.")
        if information_warmup < 0:
            raise UserError(f"variant.information_warmup={information_warmup}: must be at least 0 iterations.")
        self.information_weight, self.information_warmup = information_weight, information_warmup

    @property
    def weight(self) -> float:
        """Weight lambda of the mutual information in this iteration."""
        return self.information_weight * min(1.0, (self.iteration + 1) / (self.information_warmup + 1))

    def players(self) -> dict[str, list[nn.Module]]:
        return {"D": [self.model.encoder, self.discriminator], "G": [self.model.generator]}

    def after_discriminator(self) -> None:
        super().after_discriminator()
        if self.constraint is not None:  # on all layers of the logit, but not on Q
            self.constraint(self.model.trunk)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, 1) of D and parameters of q(c | x) for samples (N, ...)."""
        features = self.model.trunk(self.seen(x))
        return self.discriminator(features), self.model.recognition(features)

    def judge(self, x: Tensor, batch: SampleBatch) -> Tensor:
        logits: Tensor = self.discriminator(self.model.trunk(self.seen(x)))
        return logits

    def discriminator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        z = self.noise(self.model.prior, len(batch.x))
        with torch.no_grad():
            fake = self.model(z)
        self.watch(batch.x, fake)
        on_real, (on_fake, recognised) = self.judge(batch.x, batch), self.heads(fake)
        terms = self.loss.discriminator(on_real, on_fake)
        terms = self.completed(terms, on_real, on_fake, batch, fake)
        return terms | {"information": -self.weight * self.information("D", recognised, z)}

    def generator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        z = self.noise(self.model.prior, self.generator_batches * len(batch.x))
        on_fake, recognised = self.heads(self.model(z))
        on_real = self.judge(batch.x, batch) if self.loss.needs_real else None
        return {
            "adversarial": self.loss.generator(on_fake, on_real),
            "information": -self.weight * self.information("G", recognised, z),
        }

    def information(self, player: str, recognised: Tensor, z: Tensor) -> Tensor:
        """Mutual-information bound L_I of all codes, given q(c | x) and the (z, c) of x; each code's is logged."""
        total = torch.zeros_like(recognised[0, 0])
        parts = zip(self.model.code_priors, self.model.by_code(recognised), self.model.by_code(z), strict=True)
        for number, (prior, found, code) in enumerate(parts, start=1):
            log_density, entropy = log_density_and_entropy(prior, found, code)
            self.monitor(f"{player}/information_c{number}", log_density + entropy)
            self.monitor(f"{player}/entropy_c{number}", torch.full_like(total, entropy))
            total = total + log_density + entropy
        return total


def log_density_and_entropy(prior: Prior, recognised: Tensor, code: Tensor) -> tuple[Tensor, float]:
    """Mean log density E log q(c | x) and entropy H(c) of one code: parameters and drawn codes, both (N, prior.dim)."""
    if isinstance(prior, Categorical):
        return categorical_log_density(recognised, code), categorical_entropy(prior.dim)
    entropy = uniform_entropy(prior.dim, prior.bound) if isinstance(prior, Uniform) else normal_entropy(prior.dim)
    return gaussian_log_density(recognised, code), entropy
