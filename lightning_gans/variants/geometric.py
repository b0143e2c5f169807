"""Geometric GAN: a discriminator that is a support vector machine."""

from typing import Any, cast

from torch import Tensor, nn
from torch.nn.utils import parametrize

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Positive
from lightning_gans.variants.vanilla import GAN

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)  # layers with an output linear in their input


class GeometricGAN(GAN):
    """Geometric GAN (Lim & Ye 2017, 1705.02894, eq. 12-13): D's last layer w is a support vector machine.

    D descends ||w||^2 / 2 + C sum_i of the hinge losses of the batch's n pairs, which is n C times

        hinge of real samples + hinge of generated ones + ||w||^2 / (2 n C)

    each hinge a mean over the batch. The last term is the weight decay 1 / (n C) on D's last layer in the authors'
    code.

    Args:
        discriminator: samples (N, ...) -> logits, linear in the features below its last layer.
        slack: weight C of the hinge losses beside the margin's; None leaves ||w||^2 out.
        settings: as GAN's.

    Raises:
        UserError: a discriminator without a linear or convolutional layer.
    """

    def __init__(self, *, discriminator: nn.Module, slack: Positive | None = 1.0, **settings: Any) -> None:
        super().__init__(discriminator=discriminator, **settings)
        if slack is not None and not slack > 0:
            raise UserError(f"variant.slack={slack}: must be above 0, or null for no weight decay of D's last layer.")
        self.slack = slack
        layers = [module for module in discriminator.modules() if isinstance(module, LAYERS)]
        if slack is not None and not layers:
            raise UserError(
                f"variant.slack={slack} is about D's last layer, and {type(discriminator).__name__} has no linear or "
                "convolutional one. Say variant.slack=null."
            )
        self._last = layers[-1:]  # a list, so that the layer of D is not registered twice

    def last_weight(self) -> Tensor:
        """Weight w of D's last layer, before spectral or weight normalisation."""
        layer = self._last[0]
        if parametrize.is_parametrized(layer, "weight"):
            stored: Any = layer.parametrizations
            below = stored.weight
            weight: Tensor = below.original if hasattr(below, "original") else below.original1
            return weight
        plain: Any = layer.weight
        return cast(Tensor, plain)

    def discriminator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        terms = super().discriminator_loss(batch)
        if self.slack is not None:
            decay = 1 / (self.training_settings.batch_size * self.slack)
            terms["margin"] = decay / 2 * self.last_weight().square().sum()
        return terms
