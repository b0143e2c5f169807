"""Variational autoencoder (Kingma & Welling 2013), a baseline without an adversary."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Training
from lightning_gans.losses.variational import with_free_bits
from lightning_gans.models.variational import VariationalModel
from lightning_gans.settings import NonNegative


class VAE(Game):
    """Variational autoencoder (Kingma & Welling 2013, 1312.6114, Algorithm 1): both networks maximise the ELBO.

    One player descends -E_q log p(x | z) + beta KL(q(z | x) || p(z)), with one reparametrised code for each sample. The
    terms are sums over pixels and dimensions, in nats per sample. "VAE/elbo" is the ELBO for any beta and free bits.

    The headline metric is nll, the importance-sampled negative log-likelihood of held-out samples: the training
    objective, in units of its likelihood (values of two likelihoods are not comparable). FID is computed on means of
    p(x | z), which are not samples of p(x).

    Args:
        model: encoder, decoder, likelihood and a normal prior.
        training: iterations, batch size and optimisation of the players.
        beta: weight of the KL (Higgins et al. 2017); 1 is the evidence lower bound.
        free_bits: nats of KL per dimension that are not penalised (Kingma et al. 2016, 1606.04934, section C.8).
    """

    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[tuple[str, ...]] = ("images", "points")
    headline = "nll"
    model: VariationalModel

    def __init__(
        self, *, model: VariationalModel, training: Training, beta: NonNegative = 1.0, free_bits: NonNegative = 0.0
    ) -> None:
        if not isinstance(model, VariationalModel):
            raise UserError(f"VAE: a {type(model).__name__} has no likelihood. Say network=vae or network=vae_mlp.")
        for name, value in (("beta", beta), ("free_bits", free_bits)):
            if not value >= 0:
                raise UserError(f"variant.{name}={value}: must be 0 or more.")
        super().__init__(model=model, training=training)
        self.beta, self.free_bits = beta, free_bits

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"VAE": [self.model.encoder, self.model.generator, self.model.likelihood]}

    def phases(self) -> Sequence[Phase]:
        return [Phase("VAE", self.loss, over="gathered" if self.free_bits else "mean")]

    def loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        x = self.model.likelihood.observe(batch.x, lambda: self.draws.uniform(*batch.x.shape))
        log_prob, kl = self.model.elbo(x, self.draws.normal(len(x), self.model.prior.dim))
        reconstruction, rate = -log_prob.mean(), kl.sum(1).mean()
        self.monitor("VAE/elbo", -reconstruction - rate)
        self.monitor("VAE/rate", rate)  # the KL without free bits
        if self.free_bits:
            rate = with_free_bits(self.gather(kl), self.free_bits)
        return {"reconstruction": reconstruction, "kl": self.beta * rate}
