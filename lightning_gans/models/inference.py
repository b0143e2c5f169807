"""Models that infer: a generator, its prior and an encoder."""

from collections.abc import Iterable
from math import sqrt
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Prior, Uniform
from lightning_gans.core.rng import stream
from lightning_gans.models.generative import CHUNK, GenerativeModel, evaluating, reestimate


class EncodingModel(GenerativeModel):
    """Generator x = G(z) with an encoder E(x) of the latent code or of a part of it.

    Args:
        generator: z (N, prior.dim) -> samples (N, ...).
        prior: distribution of latent codes.
        encoder: samples (N, ...) -> (N, d), by way of its `features` (N, feature_dim).
    """

    def __init__(self, *, generator: nn.Module, prior: Prior, encoder: nn.Module) -> None:
        super().__init__(generator=generator, prior=prior)
        self.encoder = encoder

    def code(self, x: Tensor) -> Tensor:
        """Encode with gradients, in the current mode: E(x), (N, ...) -> (N, d)."""
        z: Tensor = self.encoder(x)
        return z

    def encode(self, x: Tensor) -> Tensor:
        """Encode samples (N, ...), in eval mode: (N, d)."""
        return self._in_chunks(self.code, x)

    def features(self, x: Tensor) -> Tensor:
        """Features of samples (N, ...): the encoder's last hidden layer, in eval mode: (N, feature_dim)."""
        return self._in_chunks(self.encoder.features, x)

    def calibrate_on(self, batches: Iterable[Tensor]) -> None:
        """Re-estimate the encoder's batch-norm statistics for its current weights, from batches of real samples."""
        reestimate(self.encoder, batches)

    def _in_chunks(self, function: Any, x: Tensor) -> Tensor:
        like = next((p for p in self.parameters() if p.is_floating_point()), x)
        with evaluating(self):
            return torch.cat([function(part.to(like)) for part in x.split(CHUNK)])


class InferenceModel(EncodingModel):
    """Generator x = G(z) and encoder z = E(x), which reconstruct samples.

    Args:
        generator: z (N, prior.dim) -> samples (N, ...).
        encoder: samples (N, ...) -> codes (N, prior.dim), linear in its `features` (N, feature_dim).
    """

    role: ClassVar[str | None] = "inference"

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruct samples (N, ...): G(E(x)), in eval mode: (N, ...)."""
        return self._in_chunks(lambda part: self(self.code(part)), x)

    def between(self, a: Tensor, b: Tensor, steps: int) -> Tensor:
        """Interpolate between samples (N, ...): G((1 - t) E(a) + t E(b)), t from 0 to 1: (N, steps, ...)."""
        t = torch.linspace(0, 1, steps).to(a)[None, :, None]
        paths = torch.lerp(self.encode(a)[:, None], self.encode(b)[:, None], t)
        x: Tensor = self._in_chunks(self, paths.flatten(0, 1)).unflatten(0, (len(a), steps))
        return x

    def traverse(self, steps: int, *, seed: int = 0, start: int = 0) -> Tensor:
        """Latent traversal of sample `start` of `seed`, one code component at a time: (prior.dim, steps, ...)."""
        return self.traversed(self.prior.axes(steps), seed=seed, start=start)


class AutoencodingModel(InferenceModel):
    """Autoencoder: an InferenceModel whose generator decodes only the encoder's codes in training."""

    role: ClassVar[str | None] = "autoencoding"

    def calibrate_on(self, batches: Iterable[Tensor]) -> None:
        """Re-estimate the batch-norm statistics of both networks, the generator's from the codes that it decodes."""
        real = list(batches)
        super().calibrate_on(real)
        reestimate(self.generator, [self.encode(x) for x in real])


class BoundedInferenceModel(InferenceModel):
    """Inference model with bounded codes z = bound (2 F(a) - 1), a = E(x), for the prior U(-bound, bound).

    Args:
        generator: network, z (N, prior.dim) -> samples (N, ...).
        prior: uniform distribution of latent codes.
        encoder: network, samples (N, ...) -> codes.
        link: distribution function F that maps the encoder's numbers to codes. "normal" is that of the normal
            distribution: numbers a ~ N(0, 1), as those of an encoder that normalises its output nearly are, become
            codes as uniform as the prior's. "logistic" is the sigmoid (jeffdonahue/bigan).
    """

    prior: Uniform

    def __init__(
        self,
        *,
        generator: nn.Module,
        prior: Prior,
        encoder: nn.Module,
        link: Literal["normal", "logistic"] = "normal",
    ) -> None:
        if not isinstance(prior, Uniform):
            raise UserError(
                f"Codes are bounded as those of a uniform prior, and {type(prior).__name__} is none. Take "
                "lightning_gans.core.prior.Uniform, or InferenceModel, whose codes go anywhere."
            )
        if link not in ("normal", "logistic"):
            raise ValueError(f"link={link}: normal or logistic")
        super().__init__(generator=generator, prior=prior, encoder=encoder)
        self.link = link

    def code(self, x: Tensor) -> Tensor:
        a = self.encoder(x)
        return self.prior.bound * (torch.erf(a / sqrt(2)) if self.link == "normal" else torch.tanh(a / 2))


class GaussianInferenceModel(InferenceModel):
    """Inference model with a Gaussian posterior q(z | x), from an encoder (N, ...) -> (N, 2 prior.dim).

    A sample's code is the mean.
    """

    role: ClassVar[str | None] = "Gaussian inference"

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | x), each (N, prior.dim), with gradients, in the current mode."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance

    def code(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    @torch.no_grad()
    def drawn_codes(self, x: Tensor, key: int) -> Tensor:
        """Sample codes z ~ q(z | x) in eval mode, (N, prior.dim); random numbers are keyed by `key`."""
        with evaluating(self.encoder):
            mean, log_variance = self.posterior(x)
        noise = torch.randn(mean.shape, generator=stream("calibration codes", key)).to(mean)
        return mean + (log_variance / 2).exp() * noise
