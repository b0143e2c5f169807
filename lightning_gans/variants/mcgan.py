"""Mean and covariance feature matching GAN."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import Phase
from lightning_gans.core.protocols import OffersFeatures
from lightning_gans.losses.matching import Matching
from lightning_gans.losses.penalties import Penalty
from lightning_gans.variants.vanilla import GAN


class McGAN(GAN):
    """McGAN (Mroueh et al. 2017, 1702.08398, Algorithms 1 and 2): an IPM on mean and covariance of D's features Phi.

    n_c steps of D, each on fresh data and noise: gradient ascent on the matching in (v | U, V) and w, followed by

        v <- its projection onto the unit ball of l_p        U, V <- QR retraction        w <- clip(w, -c, c)

    and one step of G, which descends the same matching.

    Args:
        discriminator: network with features Phi (N, m); its last layer is not used.
        loss: matching for m features.
        penalty: always None, because the projections replace it.
        constraint: map applied to w, the weights of Phi, after each step of D, such as weight clipping; None: none.
        settings: as GAN's.
    """

    loss: Matching

    def __init__(
        self,
        *,
        discriminator: OffersFeatures,
        loss: Callable[[int], Matching],
        penalty: Penalty | None = None,
        **settings: Any,
    ) -> None:
        if not hasattr(discriminator, "features"):
            raise UserError(f"McGAN matches features, and {type(discriminator).__name__} offers none.")
        if penalty is not None:
            raise UserError("McGAN's critic is held by clipping and projections: say penalty=none.")
        super().__init__(discriminator=discriminator.features, loss=loss(discriminator.feature_dim), **settings)

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"D": [self.discriminator, self.loss], "G": [self.model.generator]}

    def phases(self) -> Sequence[Phase]:
        # The dual forms are norms of the batch's statistics, the primal ones means over samples.
        over: Any = "gathered" if self.loss.needs_real else "mean"
        return [phase._replace(over=over) for phase in super().phases()]

    def judge(self, x: Tensor, batch: SampleBatch) -> Tensor:
        """Features Phi (N, m) of samples; of the whole global batch for a matching that needs it."""
        phi = super().judge(x, batch)
        return self.gather(phi) if self.loss.needs_real else phi

    def logits(self, x: Tensor) -> Tensor | None:
        """Return None: Phi is compared by its statistics over samples, so single samples have no logit."""
        return None

    def after_discriminator(self) -> None:
        self.loss.project()
        super().after_discriminator()
