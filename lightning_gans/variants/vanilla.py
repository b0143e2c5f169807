"""GAN: the two-player game that most variants extend."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Training
from lightning_gans.core.protocols import AdaptiveAugmentation, DiscriminatorAugmentation
from lightning_gans.losses.adversarial import AdversarialLoss
from lightning_gans.losses.constraints import Constraint
from lightning_gans.losses.penalties import Penalty, SamplePenalty, needs_float32, squared_norms
from lightning_gans.models.generative import GenerativeModel, norms
from lightning_gans.settings import Count, Natural
from lightning_gans.strategies.exchange import average
from lightning_gans.variants.turns import generator_moves


class GAN(Game):
    """GAN (Goodfellow et al. 2014, 1406.2661, Algorithm 1): k steps of D on fresh data and noise, then one step of G.

    Later papers that change the losses, the regularisation of D or its inputs are this game with another loss, penalty,
    constraint, augmentation or packing.

    Args:
        model: G and its prior, z (N, dim) -> samples (N, ...).
        discriminator: samples (N, ...) -> logits, no sigmoid; with `packing` m, (N / m, m C, ...).
        loss: loss of D and G on logits.
        training: iterations, batch size and optimisation of the players.
        penalty: term on D's gradient; None: none.
        constraint: map applied to D's parameters after each of its steps, such as weight clipping; None: none.
        augment: augmentation of D's inputs, real and generated; None: none.
        packing: number of samples that D classifies jointly, concatenated along the channels (PacGAN, Lin et al. 2018,
            1712.04086).
        discriminator_steps: steps k of D for one of G (Algorithm 1); an iteration is one step of D.
        discriminator_warm_up: steps of D for each of the first 25 of G and every 500th, instead of
            `discriminator_steps`; 100 in the code of WGAN. 0: as many as for the others.
        generator_steps: steps of G for one of D; an iteration is then one step of G.
        generator_batches: size of G's batch, in batches of D.
    """

    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[tuple[str, ...]] = ("images", "points")
    model: GenerativeModel

    def __init__(
        self,
        *,
        model: GenerativeModel,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        training: Training,
        penalty: Penalty | None = None,
        constraint: Constraint | None = None,
        augment: DiscriminatorAugmentation | None = None,
        packing: Count = 1,
        discriminator_steps: Count = 1,
        discriminator_warm_up: Natural = 0,
        generator_steps: Count = 1,
        generator_batches: Count = 1,
    ) -> None:
        super().__init__(model=model, training=training)
        for name, value in (
            ("packing", packing),
            ("discriminator_steps", discriminator_steps),
            ("generator_steps", generator_steps),
            ("generator_batches", generator_batches),
        ):
            if value < 1:
                raise UserError(f"variant.{name}={value}: must be at least 1.")
        networks = {
            "network.model.generator": getattr(model, "generator", None),
            "network.discriminator": discriminator,
        }
        for name, network in networks.items():
            told = getattr(network, "classes", None)
            if isinstance(told, int) and not self.conditional:
                raise UserError(
                    f"{name}.classes={told} makes a network that is told the class, and {type(self).__name__} tells it "
                    "none. Leave classes out, or choose a conditional variant: cgan, acgan, projection or "
                    "r3gan_conditional."
                )
        if penalty is not None and norms(discriminator):
            raise UserError(
                f"{type(penalty).__name__} is a function of each sample's own gradient, and batch norm in the "
                "discriminator makes each logit depend on the whole batch. Use layer, instance or spectral norm there, "
                "or none; or no penalty."
            )
        if discriminator_steps > 1 and generator_steps > 1:
            raise UserError(
                f"variant.discriminator_steps={discriminator_steps} and variant.generator_steps={generator_steps}: one "
                "player moves in every iteration. Leave one of them at 1."
            )
        if discriminator_warm_up and generator_steps > 1:
            raise UserError(
                f"variant.discriminator_warm_up={discriminator_warm_up} and variant.generator_steps={generator_steps}: "
                "long turns of D fit a game in which D moves in every iteration. Leave one of them out."
            )
        if loss.needs_real and generator_batches > 1:
            raise UserError(
                f"variant.generator_batches={generator_batches}: {type(loss).__name__} compares each fake with a real "
                "sample, so both batches are of one size. Choose 1, or another objective."
            )
        if isinstance(augment, AdaptiveAugmentation) and loss.boundary is None:
            raise UserError(
                f"augment=adaptive follows how sure D is that real samples are real, and {type(loss).__name__} has no "
                "logit that separates them from fakes. Choose augment=diffaugment, or another objective."
            )
        self.discriminator = discriminator
        self.loss = loss
        self.penalty = penalty
        self.constraint = constraint
        self.augment = augment
        self.packing = packing
        self.discriminator_steps = discriminator_steps
        self.discriminator_warm_up = discriminator_warm_up
        self.generator_steps = generator_steps
        self.generator_batches = generator_batches

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"D": [self.discriminator], "G": [self.model.generator]}

    def phases(self) -> Sequence[Phase]:
        over: Any = self.loss.over if self.loss.over != "mean" else getattr(self.penalty, "over", "mean")
        long = self.discriminator_warm_up > 0
        turns: Any = {"active": self.generator_is_due} if long else {"every": self.discriminator_steps}
        return [
            Phase(
                "D",
                self.discriminator_loss,
                every=self.generator_steps,
                opens=True,  # several steps of G follow one of D, the first of them too
                after=self.after_discriminator,
                over=over,
            ),
            Phase("G", self.generator_loss, over=self.loss.over, **turns),
        ]

    def generator_is_due(self) -> bool:
        """Return True if D has taken all its steps before the generator's."""
        return generator_moves(self.iteration, steps=self.discriminator_steps, long=self.discriminator_warm_up)

    def after_discriminator(self) -> None:
        """Project D's weights onto the constraint and adapt the augmentation, after each step of D."""
        if self.constraint is not None:
            self.constraint(self.discriminator)
        # the check of a protocol is slow, and most games have no augmentation
        if self.augment is not None and isinstance(self.augment, AdaptiveAugmentation):
            self.augment.adapt(average, images=self.training_settings.batch_size)

    def places(self, batch: SampleBatch, *, batches: int = 1) -> SampleBatch:
        """Batch whose labels the generated samples take, `batches` times as large."""
        return batch

    def generated(self, batch: SampleBatch, *, batches: int = 1) -> Tensor:
        """Generate fresh samples, `batches` for each one of the batch."""
        x: Tensor = self.model(self.noise(self.model.prior, batches * len(batch.x)))
        return x

    def seen(self, x: Tensor) -> Tensor:
        """Augment samples (N, C, ...) and pack them to (N / m, m C, ...): the input of D."""
        if self.augment is not None:
            x = self.augment(x, self.draws.uniform(len(x), self.augment.numbers))
        return self.packed(x)

    def packed(self, x: Tensor) -> Tensor:
        """Pack samples: (N, C, ...) -> (N / m, m C, ...) (PacGAN)."""
        return x.unflatten(0, (-1, self.packing)).flatten(1, 2) if self.packing > 1 else x

    def unpacked(self, packs: Tensor) -> Tensor:
        """Unpack samples: (N / m, m C, ...) -> (N, C, ...)."""
        return packs.unflatten(1, (self.packing, -1)).flatten(0, 1) if self.packing > 1 else packs

    def judge(self, x: Tensor, batch: SampleBatch) -> Tensor:
        """Logits of D on real or generated samples; labels are those of the batch."""
        logits: Tensor = self.discriminator(self.seen(x))
        return logits

    @torch.no_grad()
    def memorisation(self, train: SampleBatch, held_out: SampleBatch, generated: SampleBatch) -> float:
        """Overfitting of D (Karras et al. 2020, 2006.06676, equation 1):
        r_v = (E[D(train)] - E[D(held out)]) / (E[D(train)] - E[D(generated)]).

        0: held-out samples look as real to D as its training samples. 1: they look like generated ones. NaN: D does not
        separate real from generated samples. D is in eval mode, and its inputs are not augmented.
        """
        with self._judging():
            means = [float(self.judge(batch.x, batch).float().mean()) for batch in (train, held_out, generated)]
        gap = means[0] - means[2]
        return (means[0] - means[1]) / gap if gap > 0 else float("nan")

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor | None:
        """Logits (N,) of D on samples (N, ...), in eval mode without augmentation; None if D judges packs."""
        if self.packing > 1:
            return None
        with self._judging():
            return self.judge(x, SampleBatch(x, None)).flatten()

    @property
    def boundary(self) -> float | None:
        """Logit that separates real from generated samples; None for a critic."""
        return self.loss.boundary

    @contextmanager
    def _judging(self) -> Iterator[None]:
        """Context: D is in eval mode and its inputs are not augmented."""
        augment, self.augment = self.augment, None
        parts = nn.ModuleList(part for part in self.players()["D"] if isinstance(part, nn.Module))
        modes = [(module, module.training) for module in parts.modules()]
        try:
            parts.eval()
            yield
        finally:
            self.augment = augment
            for module, mode in modes:
                module.training = mode

    def discriminator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        places = self.places(batch)
        with torch.no_grad():
            fake = self.generated(places)
        self.watch(batch.x, fake)
        # Two passes: batch norm must not see real and fake samples together.
        on_real, on_fake = self.judge(batch.x, batch), self.judge(fake, places)
        terms = self.loss.discriminator(on_real, on_fake)
        return self.completed(terms, on_real, on_fake, batch, fake)

    def watch(self, real: Tensor, fake: Tensor) -> None:
        """Let the samples of this step's penalty require gradients, before D judges them.

        The penalty then uses the graph of the loss; otherwise it runs forward passes of its own.
        """
        if isinstance(self.penalty, SamplePenalty) and self.penalty_is_due() and not needs_float32(self.packed(real)):
            for name, x in (("real", real), ("fake", fake)):
                if name in self.penalty.on and not x.requires_grad:
                    x.requires_grad_()

    def penalty_is_due(self) -> bool:
        """Return True if this step of D includes the penalty, which may be taken in every k-th step only."""
        return (self.iteration // self.generator_steps) % getattr(self.penalty, "every", 1) == 0

    def completed(
        self, terms: dict[str, Tensor], on_real: Tensor, on_fake: Tensor, batch: SampleBatch, fake: Tensor
    ) -> dict[str, Tensor]:
        """Loss terms of D with the gradient penalty added and the accuracy logged; every loss of D ends here."""
        self.diagnose(on_real, on_fake, terms)
        self.observe(on_real)
        if self.penalty is None:
            return terms
        if not self.penalty_is_due():
            terms["penalty"] = on_real.new_zeros(())
            return terms
        judged = {"real": (on_real, batch.x), "fake": (on_fake, fake)}
        if isinstance(self.penalty, SamplePenalty) and all(judged[name][1].requires_grad for name in self.penalty.on):
            squared = [squared_norms(*judged[name]) for name in self.penalty.on]
            # the squared norm of a pack is the sum over its samples
            packs = [samples.unflatten(0, (-1, self.packing)).sum(1) for samples in squared]
            terms["penalty"] = self.penalty.of_norms(packs)
            batch.x.requires_grad_(False)  # the generator's step needs no gradient of it
        else:
            terms["penalty"] = self.gradient_penalty(batch, fake)
        return terms

    def gradient_penalty(self, batch: SampleBatch, fake: Tensor) -> Tensor:
        """Gradient penalty of D on packs: the norm is over a whole pack, and interpolated points are packs."""
        assert self.penalty is not None
        real, fake = self.packed(batch.x), self.packed(fake)
        uniform = partial(self.draws.uniform, len(real))
        return self.penalty(lambda packs: self.judge(self.unpacked(packs), batch), real, fake, uniform)

    def diagnose(self, on_real: Tensor, on_fake: Tensor, terms: Mapping[str, Tensor]) -> None:
        """Log D's accuracy, if it has one, and the divergence that its loss estimates."""
        with torch.no_grad():
            accuracy = self.loss.accuracy(on_real, on_fake)
            if accuracy is not None:
                self.monitor("D/accuracy", accuracy)
            self.monitor(f"D/{self.loss.divergence}", self.loss.estimate(sum(terms.values())))  # type: ignore[arg-type]

    def observe(self, on_real: Tensor) -> None:
        """Update an adaptive augmentation with D's logits on real samples; every loss of D calls this."""
        if self.augment is None or self.loss.boundary is None:
            return
        if isinstance(self.augment, AdaptiveAugmentation):
            self.augment.observe(on_real.detach() - self.loss.boundary)
            self.monitor("D/augment", self.augment.p)

    def generator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        places = self.places(batch, batches=self.generator_batches)
        on_fake = self.judge(self.generated(places, batches=self.generator_batches), places)
        on_real = self.judge(batch.x, batch) if self.loss.needs_real else None
        return {"loss": self.loss.generator(on_fake, on_real)}
