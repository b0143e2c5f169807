"""Variational autoencoder model: a generator, an encoder and a likelihood."""

from collections.abc import Iterable
from math import log
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import stream
from lightning_gans.losses.precision import exact
from lightning_gans.losses.variational import kl_of_dimensions
from lightning_gans.models.generative import evaluating, reestimate
from lightning_gans.models.inference import GaussianInferenceModel
from lightning_gans.models.likelihoods import Likelihood

ROWS = 512  # codes decoded at a time, so that an estimate takes the memory of one batch


class VariationalModel(GaussianInferenceModel):
    """Variational autoencoder p(x) = E p(x | z), z ~ N(0, I), with q(z | x) (Kingma & Welling 2013, 1312.6114).

    The generator maps a code to the parameters of the likelihood; the model's output is the mean of p(x | z).

    Args:
        generator: z (N, prior.dim) -> the likelihood's outputs (N, ...).
        prior: standard normal distribution of latent codes.
        encoder: samples (N, ...) -> (N, 2 prior.dim), mean and log variance.
        likelihood: p(x | outputs); the encoder sees what it observes.

    Raises:
        ValueError: a prior that is not normal, for which the KL is not defined here.
    """

    role: ClassVar[str | None] = "variational autoencoding"

    def __init__(self, *, generator: nn.Module, prior: Normal, encoder: nn.Module, likelihood: Likelihood) -> None:
        if not isinstance(prior, Normal):
            raise ValueError(f"prior={type(prior).__name__}: the KL of a Gaussian posterior is to a Normal prior")
        super().__init__(generator=generator, prior=prior, encoder=encoder)
        self.likelihood = likelihood

    def forward(self, z: Tensor) -> Tensor:
        return self.likelihood.mean(self.generator(z))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = super().posterior(x)
        return exact(mean), exact(log_variance)

    def elbo(self, observed: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Both parts of the evidence lower bound E_q log p(x | z) - KL(q(z | x) || p(z)), in nats, with gradients.

        Args:
            observed: samples (N, ...) as the likelihood observes them.
            noise: N(0, 1) (N, prior.dim), one code each: z = mean + std noise.

        Returns:
            log p(x | z) (N,), and the KL of each dimension (N, prior.dim).
        """
        mean, log_variance = self.posterior(observed)
        z = mean + (log_variance / 2).exp() * noise
        return self.likelihood.log_prob(self.generator(z), observed), kl_of_dimensions(mean, log_variance)

    def log_likelihood(self, x: Tensor, *, samples: int, seed: int = 0, start: int = 0) -> Tensor:
        """Log-likelihood log p(x) in nats, (N,) float64, in eval mode, by importance sampling with `samples` codes.

        A lower bound in expectation: the ELBO if samples is 1, and tighter with more (Burda et al. 2015, 1509.00519).
        Random numbers, including those of a stochastic observation, are keyed by (seed, start + row).
        """
        with evaluating(self):
            rows = [self._log_mean_weight(row, samples, seed, start + i) for i, row in enumerate(x.split(1))]
        return torch.cat(rows)

    def _log_mean_weight(self, x: Tensor, samples: int, seed: int, index: int) -> Tensor:
        like = next((p for p in self.parameters() if p.is_floating_point()), x)
        x = x.to(like)
        x = self.likelihood.observe(x, lambda: torch.rand(x.shape, generator=stream(seed, "observed", index)).to(like))
        mean, log_variance = self.posterior(x)
        noise = torch.randn(samples, self.prior.dim, generator=stream(seed, "importance", index)).to(like)
        weights = []
        for part in noise.split(ROWS):
            z = mean + (log_variance / 2).exp() * part
            log_prior_over_posterior = (part.square() - z.square() + log_variance).sum(1) / 2
            outputs = self.generator(z)
            weights.append(self.likelihood.log_prob(outputs, x.expand(len(z), *x.shape[1:])) + log_prior_over_posterior)
        return torch.cat(weights).double().logsumexp(0, keepdim=True) - log(samples)

    # Codes are of the observed sample; if observations are random, of their median.

    def code(self, x: Tensor) -> Tensor:
        return super().code(self._median(x))

    def features(self, x: Tensor) -> Tensor:
        return super().features(self._median(x))

    def _median(self, x: Tensor) -> Tensor:
        return self.likelihood.observe(x, lambda: torch.full_like(x, 0.5))

    @torch.no_grad()
    def calibrate_on(self, batches: Iterable[Tensor]) -> None:
        """Re-estimate the statistics of both networks; the generator decodes only the encoder's codes in training."""
        observed = []
        for number, x in enumerate(batches):
            generator = stream("calibration", number)
            observed.append(self.likelihood.observe(x, lambda: torch.rand(x.shape, generator=generator).to(x)))  # noqa: B023
        super().calibrate_on(observed)
        reestimate(self.generator, [self.drawn_codes(x, number) for number, x in enumerate(observed)])
