"""Adversarially learned inference."""

from typing import Any

from torch import Tensor, nn

from lightning_gans.core.errors import UserError
from lightning_gans.models.inference import GaussianInferenceModel
from lightning_gans.settings import NonNegative
from lightning_gans.variants.bigan import BiGAN


class ALI(BiGAN):
    """Adversarially learned inference (Dumoulin et al. 2016, 1606.00704, Algorithm 1): BiGAN with a stochastic encoder.

    D judges (x, z^) with z^ = mean + exp(log variance / 2) eps, eps ~ N(0, I), whose gradient reaches E, and (G(z), z).
    Losses are sums over both kinds of pairs, without BiGAN's 1/2.

    Args:
        initial_std: standard deviation of the initial weights of all networks, N(0, initial_std^2), biases 0 (appendix
            A: 0.01); None leaves them as they were built.
    """

    scale = 1.0
    model: GaussianInferenceModel

    def __init__(self, *, initial_std: NonNegative | None = 0.01, **settings: Any) -> None:
        model = settings["model"]
        if not isinstance(model, GaussianInferenceModel):
            raise UserError(
                f"ALI's encoder gives a distribution of codes, and {type(model).__name__}'s gives one code. Choose "
                "network=ali or ali_mlp, or variant=bigan for this network."
            )
        if initial_std is not None:  # before the game copies them for the EMA
            for network in (model.encoder, model.generator, settings["discriminator"]):
                _initialize(network, initial_std)
        super().__init__(**settings)

    def inferred(self, x: Tensor) -> Tensor:
        """Sample codes z^ ~ q(z | x) by reparametrisation: (N, ...) -> (N, prior.dim)."""
        mean, log_variance = self.model.posterior(x)
        deviation = (log_variance / 2).exp()
        self.monitor("E/deviation", deviation.detach().mean())
        return mean + deviation * self.draws.normal(*mean.shape)


def _initialize(network: nn.Module, std: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            for name, parameter in module.named_parameters():
                nn.init.zeros_(parameter) if name == "bias" else nn.init.normal_(parameter, 0.0, std)
