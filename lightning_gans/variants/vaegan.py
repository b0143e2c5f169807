"""VAE-GAN: a variational autoencoder with a reconstruction error in features of a discriminator."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game, shared
from lightning_gans.core.phase import Phase, Training, Update
from lightning_gans.core.prior import Normal
from lightning_gans.core.protocols import AdaptiveAugmentation, DiscriminatorAugmentation
from lightning_gans.losses.adversarial import AdversarialLoss, NonSaturating
from lightning_gans.losses.critics import Binary, Critic, Judged, ThreeWay
from lightning_gans.losses.variational import kl_to_standard_normal
from lightning_gans.models.vaegan import VAEGANModel
from lightning_gans.settings import NonNegative
from lightning_gans.strategies.exchange import average


class Terms(NamedTuple):
    """Loss terms of one forward pass: L_prior and L_llike, (), and Dis's logits, from which L_GAN is computed."""

    prior: Tensor
    llike: Tensor
    on: Judged


class VAEGAN(Game):
    """VAE-GAN (Larsen et al. 2015, 1512.09300, Algorithm 1): Enc, Dec and Dis step simultaneously, in one pass.

        z ~ q(z | x) = Enc(x),  x~ = Dec(z),  z_p ~ N(0, I),  x_p = Dec(z_p)
        L_prior = KL(q(z | x) || N(0, I)),  L_llike = 1/2 |Dis_l(x) - Dis_l(x~)|^2
        L_GAN: loss of Dis, which separates x from x_p and x~

    Enc descends L_prior + L_llike, Dec gamma L_llike - L_GAN, Dis L_GAN. Each receives the gradient of its own loss
    only: L_GAN does not reach Enc, and L_llike does not reach Dis or its layer Dis_l.

    L_llike is summed over the elements of the layer and L_prior over those of the code. Both are means over the batch,
    like L_GAN (sums in the paper's code, whose learning rates are divided by the batch).

    Args:
        model: Enc, Dec and the prior N(0, I).
        dis: D's network: samples (N, ...) -> logits (N, outputs), no sigmoid, and the l-th layer (N, ...).
        loss: loss of a binary Dis. With Minimax, Dec descends -L_GAN itself, as in the paper; with others, their own
            generator loss in its place.
        gamma: weight of L_llike in Dec's loss.
        prior_weight: weight of L_prior in Enc's loss; 1 in the paper. A larger weight keeps codes nearer to the prior,
            from which samples are drawn: L_llike grows with the size of the layer, but L_prior does not.
        training: iterations, batch size and optimisation of the players.
        discriminator: "binary" tells real from fake; "three_way" real, generated and reconstructed apart, a logit each.
        equilibrium: Dis's cost in nats around which a player that is ahead waits; None: all move.
        margin: distance from the equilibrium within which all move.
        augment: augmentation of Dis's inputs, x and its x~ alike; None: none.
    """

    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[tuple[str, ...]] = ("images", "points")
    model: VAEGANModel

    def __init__(
        self,
        *,
        model: VAEGANModel,
        dis: nn.Module,
        loss: AdversarialLoss,
        gamma: NonNegative,
        prior_weight: NonNegative = 1.0,
        training: Training,
        discriminator: Literal["binary", "three_way"] = "binary",
        equilibrium: NonNegative | None = None,
        margin: NonNegative = 0.35,
        augment: DiscriminatorAugmentation | None = None,
    ) -> None:
        super().__init__(model=model, training=training)
        if not isinstance(model, VAEGANModel):
            raise UserError(
                "VAE-GAN's model has an encoder that gives mean and log variance, and decodes codes of samples and of "
                f"the prior together. This is a {type(model).__name__}. Choose network=vaegan or vaegan_mlp."
            )
        if not isinstance(model.prior, Normal):
            raise UserError(f"L_prior is the divergence from N(0, I), and the prior is {type(model.prior).__name__}.")
        if discriminator == "three_way" and type(loss) is not NonSaturating:
            raise UserError(
                f"variant.discriminator=three_way descends cross-entropies of its own, and {type(loss).__name__} would "
                "say nothing to it. Leave objective=non_saturating, or choose variant.discriminator=binary."
            )
        if isinstance(augment, AdaptiveAugmentation):
            raise UserError("augment=adaptive follows a D of one logit. Choose augment=diffaugment or none.")
        self.dis = dis
        self.critic: Critic = ThreeWay() if discriminator == "three_way" else Binary(loss=loss)
        self.gamma, self.prior_weight = gamma, prior_weight
        self.equilibrium, self.margin = equilibrium, margin
        self.augment = augment

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"Enc": [self.model.encoder], "Dec": [self.model.generator], "Dis": [self.dis]}

    def phases(self) -> Sequence[Update]:
        gated, over = self.equilibrium is not None, self.critic.over
        return [
            (
                Phase("Enc", self.encoder_loss),
                Phase("Dec", self.decoder_loss, gated=gated, over=over),
                Phase("Dis", self.discriminator_loss, gated=gated, over=over),
            )
        ]

    @shared
    def terms(self, batch: SampleBatch) -> Terms:
        """Loss terms of one forward pass, for all players."""
        x = batch.x
        mean, log_variance = self.model.posterior(x)
        z = mean + (log_variance / 2).exp() * self.draws.normal(*mean.shape)
        # In one batch, as in the paper's code: with separate batch statistics, Dec would decode the two kinds
        # differently, and its progress on one kind would not help the other.
        reconstructed, generated = self.model.decoded(z, self.noise(self.model.prior, len(x)))
        if self.augment is not None:
            same, other = (self.draws.uniform(len(x), self.augment.numbers) for _ in range(2))
            x, reconstructed = self.augment(x, same), self.augment(reconstructed, same)
            generated = self.augment(generated, other)
        # One batch for each kind, as in DCGAN's D. In a joint batch, as in the paper's code, batch norm shows Dis how
        # the kinds differ in their statistics, and Dis gets ahead of Dec.
        (on_x, layer), (on_generated, _), (on_reconstructed, layer_of_reconstructed) = (
            self.dis(images) for images in (x, generated, reconstructed)
        )
        return Terms(
            prior=kl_to_standard_normal(mean, log_variance).mean(),
            llike=(layer - layer_of_reconstructed).square().flatten(1).sum(1).mean() / 2,
            on=Judged(on_x, on_generated, on_reconstructed),
        )

    def encoder_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        terms = self.terms(batch)
        return {"prior": self.prior_weight * terms.prior, "llike": terms.llike}

    def decoder_loss(self, batch: SampleBatch) -> dict[str, Tensor] | None:
        terms = self.terms(batch)
        if self.sits_out("Dec", batch):
            return None
        return {"llike": self.gamma * terms.llike, "adversarial": self.critic.decoder(terms.on)}

    def discriminator_loss(self, batch: SampleBatch) -> dict[str, Tensor] | None:
        on = self.terms(batch).on
        losses = self.critic.discriminator(on)
        self.diagnose(on, losses)
        return None if self.sits_out("Dis", batch) else losses

    @torch.no_grad()
    def diagnose(self, on: Judged, losses: Mapping[str, Tensor]) -> None:
        """Log the accuracy of Dis, if it has one, and the divergence that its loss estimates."""
        if (accuracy := self.critic.accuracy(on)) is not None:
            self.monitor("Dis/accuracy", accuracy)
        total = torch.stack(list(losses.values())).sum()
        self.monitor(f"Dis/{self.critic.divergence}", self.critic.estimate(total))

    @shared
    def costs(self, batch: SampleBatch) -> list[float]:
        """Mean costs of Dis on real samples and on fakes, over all ranks."""
        costs: list[float] = average(self.critic.costs(self.terms(batch).on).detach()).tolist()
        return costs

    def sits_out(self, player: Literal["Dec", "Dis"], batch: SampleBatch) -> bool:
        """Return True if the equilibrium rule skips the player's step."""
        if self.equilibrium is None:
            return False
        return player in resting(self.costs(batch), self.equilibrium, self.margin)


def resting(costs: Sequence[float], equilibrium: float, margin: float) -> set[str]:
    """Return the player, Dec or Dis, that is too far ahead to step (andersbll/autoencoding_beyond_pixels)."""
    dis_ahead = min(costs) < equilibrium - margin
    dec_ahead = max(costs) > equilibrium + margin
    if dis_ahead == dec_ahead:
        return set()
    return {"Dis"} if dis_ahead else {"Dec"}
