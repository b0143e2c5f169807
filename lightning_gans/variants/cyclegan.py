"""Unpaired translation between two domains of images."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn
from torch.nn.functional import l1_loss

from lightning_gans.core.batches import UnpairedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game, shared
from lightning_gans.core.phase import Phase, Training, Update
from lightning_gans.core.pool import ImagePool
from lightning_gans.core.protocols import AdaptiveAugmentation, DiscriminatorAugmentation
from lightning_gans.losses.adversarial import AdversarialLoss
from lightning_gans.models.translation import TranslationModel
from lightning_gans.settings import Count, Natural, NonNegative, Shape


class Translated(NamedTuple):
    """Translated images. b: A's images translated to B; a: B's translated to A."""

    b: Tensor
    a: Tensor


class CycleGAN(Game):
    """CycleGAN (Zhu et al. 2017, 1703.10593, eq. 1-3): cycle consistency, with the identity term of section 5.2.

    G: both translators, with one optimizer. D: both discriminators, with another. They step simultaneously, on the same
    translations. This equals the authors' code, which steps G first and shows D the translations made before that step.
    D also sees earlier translations, from an image pool for each domain.

    Args:
        model: networks a2b and b2a.
        discriminator_a: network on images of domain A -> logits.
        discriminator_b: network on images of domain B -> logits.
        loss: loss of both players on logits.
        training: iterations, batch size and optimisation of the players.
        sample_shape: shape of domain A's training images, (A, H, W).
        channels_b: channels of domain B's; null: as many as A's.
        adversarial_weight: weight of G's adversarial terms; null: 1 in the form of the authors' code, whose least
            squares have no half in G's term, so that it is 2 with objective=least_squares.
        cycle_weight_a: weight lambda_A of A's cycle loss.
        cycle_weight_b: weight lambda_B of B's cycle loss.
        identity_weight: weight of ||b2a(a) - a||_1 and ||a2b(b) - b||_1, times lambda_A and lambda_B; 0 leaves them
            out, as domains of different channels need it.
        pool_size: number of translations in the pool of each D; 0: D receives only the newest.
        augment: augmentation of both D's inputs, real and translated; None: none. Adaptive augmentation is not
            supported.
    """

    batch: ClassVar[type] = UnpairedBatch
    contents: ClassVar[tuple[str, ...]] = ("images",)
    headline = "fid_both"
    model: TranslationModel

    def __init__(
        self,
        *,
        model: TranslationModel,
        discriminator_a: nn.Module,
        discriminator_b: nn.Module,
        loss: AdversarialLoss,
        training: Training,
        sample_shape: Shape,
        channels_b: Count | None = None,
        adversarial_weight: NonNegative | None = None,
        cycle_weight_a: NonNegative = 10.0,
        cycle_weight_b: NonNegative = 10.0,
        identity_weight: NonNegative = 0.5,
        pool_size: Natural = 50,
        augment: DiscriminatorAugmentation | None = None,
    ) -> None:
        super().__init__(model=model, training=training)
        if adversarial_weight is None:
            adversarial_weight = loss.plain
        weights = {
            "adversarial_weight": adversarial_weight,
            "cycle_weight_a": cycle_weight_a,
            "cycle_weight_b": cycle_weight_b,
            "identity_weight": identity_weight,
            "pool_size": pool_size,
        }
        for name, value in weights.items():
            if value < 0:
                raise UserError(f"variant.{name}={value}: must be 0 or more.")
        shape_a = tuple(sample_shape)
        shape_b = shape_a if channels_b is None else (channels_b, *shape_a[1:])
        if identity_weight and shape_a != shape_b:
            raise UserError(
                f"variant.identity_weight={identity_weight}: the identity term shows a translator images of its own "
                f"target domain, and A has {shape_a[0]} channels and B {shape_b[0]}. Say variant.identity_weight=0, or "
                "give both domains equal channels."
            )
        if isinstance(augment, AdaptiveAugmentation):
            raise UserError(f"augment: {type(augment).__name__} follows one D, and here are two. Choose diffaugment.")
        try:
            model.check(*sample_shape[1:])
        except UserError as error:
            raise UserError(f"data.image_size and network.translator do not fit: {error}") from error
        self.discriminator_a, self.discriminator_b = discriminator_a, discriminator_b
        self.loss, self.augment = loss, augment
        self.adversarial_weight = adversarial_weight
        self.cycle_weight_a, self.cycle_weight_b = cycle_weight_a, cycle_weight_b
        self.identity_weight = identity_weight
        self.pool_a, self.pool_b = (ImagePool(pool_size, *shape) for shape in (shape_a, shape_b))

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"D": [self.discriminator_a, self.discriminator_b], "G": [self.model.a2b, self.model.b2a]}

    def phases(self) -> Sequence[Phase | Update]:
        over: Any = self.loss.over
        return [
            (
                Phase("G", self.generator_loss, over=over),
                Phase("D", self.discriminator_loss, after=self.keep, over=over),
            )
        ]

    @shared
    def translated(self, batch: UnpairedBatch) -> Translated:
        """Translations in both directions, computed once for both players."""
        return Translated(b=self.model.a2b(batch.a), a=self.model.b2a(batch.b))

    def generator_loss(self, batch: UnpairedBatch) -> dict[str, Tensor]:
        """Loss of both generators: adversarial terms, cycle consistency and the identity term."""
        fake = self.translated(batch)
        terms = {
            "adversarial_a2b": self.adversarial_weight * self.fooled(self.discriminator_b, fake.b, batch.b),
            "adversarial_b2a": self.adversarial_weight * self.fooled(self.discriminator_a, fake.a, batch.a),
            "cycle_a": self.cycle_weight_a * l1_loss(self.model.b2a(fake.b), batch.a),
            "cycle_b": self.cycle_weight_b * l1_loss(self.model.a2b(fake.a), batch.b),
        }
        if self.identity_weight > 0:
            weight_a, weight_b = (self.identity_weight * w for w in (self.cycle_weight_a, self.cycle_weight_b))
            terms["identity_a"] = weight_a * l1_loss(self.model.b2a(batch.a), batch.a)
            terms["identity_b"] = weight_b * l1_loss(self.model.a2b(batch.b), batch.b)
        return terms

    def fooled(self, discriminator: nn.Module, fake: Tensor, real: Tensor) -> Tensor:
        """Adversarial loss of G against one discriminator."""
        on_fake = self.judge(discriminator, fake)
        return self.loss.generator(on_fake, self.judge(discriminator, real) if self.loss.needs_real else None)

    def judge(self, discriminator: nn.Module, x: Tensor) -> Tensor:
        """Logits of a discriminator on images, augmented if the game augments."""
        if self.augment is not None:
            x = self.augment(x, self.draws.uniform(len(x), self.augment.numbers))
        logits: Tensor = discriminator(x)
        return logits

    def discriminator_loss(self, batch: UnpairedBatch) -> dict[str, Tensor]:
        """Loss of both discriminators: images of the domain against translations, new and pooled."""
        fake = self.translated(batch)
        terms: dict[str, Tensor] = {}
        for domain, discriminator, pool, real, new in (
            ("a", self.discriminator_a, self.pool_a, batch.a, fake.a),
            ("b", self.discriminator_b, self.pool_b, batch.b, fake.b),
        ):
            uniform = self.draws.uniform(len(new), 2)
            seen = pool.query(new, uniform) if pool.size else new.detach()
            on_real, on_fake = self.judge(discriminator, real), self.judge(discriminator, seen)
            found = self.loss.discriminator(on_real, on_fake)
            terms |= {f"{domain}_{name}": term for name, term in found.items()}
            accuracy = self.loss.accuracy(on_real.detach(), on_fake.detach())
            if accuracy is not None:
                self.monitor("D/accuracy", accuracy)  # their mean
        return terms

    def keep(self) -> None:
        """Store the new translations of all processes in the image pools, after D's step."""
        for pool in (self.pool_a, self.pool_b):
            if pool.size:
                pool.commit(self.gather)
