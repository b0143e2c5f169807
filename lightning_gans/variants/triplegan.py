"""Triple-GAN: semi-supervised classification and conditional generation."""

from collections.abc import Callable, Mapping, Sequence
from math import exp
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lightning_gans.core.batches import SemiSupervisedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Stage, Training
from lightning_gans.losses.adversarial import AdversarialLoss, SeparableLoss
from lightning_gans.models.generative import undisturbed
from lightning_gans.models.triple import TripleModel
from lightning_gans.settings import Fraction, NonNegative, Share

ClassifierLabels = Literal["argmax", "sampled", "all"]


class TripleGAN(Game):
    """Triple-GAN (Li et al. 2017, 1703.02291, Algorithm 1): D judges pairs (x, y) of data, classifier and generator.

    min_{C, G} max_D  E_p log D(x, y) + alpha E_{p_c} log(1 - D(x, y)) + (1 - alpha) E_{p_g} log(1 - D(x, y)), with
    p_c = p(x) p_c(y | x) and p_g = p(y) p_g(x | y), so that D* = p / (p + alpha p_c + (1 - alpha) p_g). C also descends
    R_L, its cross-entropy on labelled samples, and alpha_P R_P, its cross-entropy on generated samples, whose gradient
    does not reach G. Each iteration has a step of D, of G, then of C; C is pre-trained before the game. The loss is the
    paper's in the non-saturating form of the authors' code: C and G descend -log D, D's share of alpha and 1 - alpha as
    above.

    `classifier_labels` selects the labels y_c ~ p_c(y | x_c). "argmax", the paper's biased form: the most likely label,
    weighted by its probability; D's real batch then also has a second draw of unlabelled samples with such labels.
    "sampled", Algorithm 1 as written: a random label, weighted by p_c(y_c | x_c); its gradient is that of half of
    E_x sum_y p_c^2 (...). "all": the sum over y weighted by p_c, the exact gradient of E_{p_c}, with one pass of D for
    each class.

    Args:
        model: G, its prior and C; the average of both is evaluated.
        discriminator: samples (N, ...), y (N,) -> logits.
        loss: loss on D's logits; one that judges real and fake pairs apart.
        training: iterations, batch size and optimisation of the players.
        alpha: share of the classifier's pairs among the fakes of D.
        classifier_labels: labels of C's pairs: "argmax" (biased, with pseudo-labels among D's real pairs), "sampled"
            (Algorithm 1) or "all" (exact).
        labelled_share: share of labelled samples in D's real term, beside unlabelled ones with C's labels ("argmax").
            They are few and recur often, so with a large share D memorises them.
        adversarial_weight: weight of the adversarial term in C's loss, beside alpha.
        pseudo_weight: weight alpha_P of the cross-entropy on generated pairs.
        pseudo_start: share of the run before alpha_P.
        pseudo_ramp: share of the run in which alpha_P rises.
        entropy_weight: weight of the entropy of p_c(y | x) on unlabelled samples.
        balance_weight: weight of the cross-entropy of the uniform distribution and the batch's average p_c(y | x).
        consistency_weight: weight of the squared distance of p_c(y | x) in two passes, each with its own dropout and
            noise; the second is the target and takes no gradient.
        consistency_ramp: share of the run in which that weight rises (Laine & Aila 2017, 1610.02242).
        pretraining_share: share of the run in which C descends R_L, and entropy and balance with weights of their own.
        pretraining_entropy_weight: weight of the entropy before the game.
        pretraining_balance_weight: weight of the balance before the game.

    Raises:
        UserError: settings out of range, another model or loss, or data with other classes than the model.
    """

    batch: ClassVar[type] = SemiSupervisedBatch
    conditional: ClassVar[bool] = True
    contents: ClassVar[tuple[str, ...]] = ("images",)
    balance_over: ClassVar[Literal["mean", "per_rank"]] = "per_rank"  # the log of an average is no mean over samples
    headline = "accuracy"
    model: TripleModel

    def __init__(
        self,
        *,
        model: TripleModel,
        discriminator: nn.Module,
        loss: AdversarialLoss,
        training: Training,
        alpha: Share = 0.5,
        classifier_labels: ClassifierLabels = "argmax",
        labelled_share: Share = 0.02,
        adversarial_weight: NonNegative = 1.0,
        pseudo_weight: NonNegative = 0.1,
        pseudo_start: Share = 0.3,
        pseudo_ramp: Share = 0.0,
        entropy_weight: NonNegative = 0.3,
        balance_weight: NonNegative = 1e-3,
        consistency_weight: NonNegative = 0.0,
        consistency_ramp: Share = 0.0,
        pretraining_share: Fraction = 0.03,
        pretraining_entropy_weight: NonNegative = 0.3,
        pretraining_balance_weight: NonNegative = 0.3,
    ) -> None:
        super().__init__(model=model, training=training)
        if not isinstance(model, TripleModel):
            raise UserError(
                f"TripleGAN needs a generator and a classifier, a TripleModel, and was given a {type(model).__name__}. "
                "Choose network=triplegan."
            )
        if not isinstance(loss, SeparableLoss) or loss.boundary is None:
            raise UserError(
                f"{type(loss).__name__} has no verdict on a pair by itself, and here three kinds of pairs are weighed "
                "apart. Choose objective=non_saturating, minimax, least_squares or hinge."
            )
        if classifier_labels not in ("argmax", "sampled", "all"):
            raise UserError(f"variant.classifier_labels={classifier_labels}: argmax, sampled or all.")
        shares = {"alpha": alpha, "pseudo_start": pseudo_start, "pseudo_ramp": pseudo_ramp}
        shares |= {"consistency_ramp": consistency_ramp, "pretraining_share": pretraining_share}
        shares |= {"labelled_share": labelled_share}
        for name, share in shares.items():
            if not 0 <= share <= 1 or (name == "pretraining_share" and share == 1):
                raise UserError(f"variant.{name}={share}: must be a share, from 0 to 1 (pretraining: below 1).")
        weights = {"adversarial": adversarial_weight, "pseudo": pseudo_weight, "entropy": entropy_weight}
        weights |= {"balance": balance_weight, "consistency": consistency_weight}
        weights |= {"pretraining_entropy": pretraining_entropy_weight}
        weights |= {"pretraining_balance": pretraining_balance_weight}
        for name, weight in weights.items():
            if not weight >= 0:
                raise UserError(f"variant.{name}_weight={weight}: must be at least 0.")
        self.discriminator, self.loss = discriminator, loss
        self.alpha, self.classifier_labels, self.adversarial_weight = alpha, classifier_labels, adversarial_weight
        self.labelled_share = labelled_share
        self.pseudo_weight, self.pseudo_start, self.pseudo_ramp = pseudo_weight, pseudo_start, pseudo_ramp
        self.entropy_weight, self.balance_weight = entropy_weight, balance_weight
        self.consistency_weight, self.consistency_ramp = consistency_weight, consistency_ramp
        self.pretraining_share = pretraining_share
        self.pretraining_weights = pretraining_entropy_weight, pretraining_balance_weight

    def setup(self, stage: str) -> None:
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None) if self._trainer is not None else None
        classes = getattr(data, "classes", None)
        if classes is not None and len(classes) != self.model.classes:
            raise UserError(
                f"The model knows {self.model.classes} classes, and the data have {len(classes)}. Say "
                f"network.model.classes={len(classes)}."
            )

    def players(self) -> Mapping[str, Sequence[nn.Module]]:
        return {"D": [self.discriminator], "G": [self.model.generator], "C": [self.model.classifier]}

    def stages(self) -> Sequence[Stage]:
        over = self.balance_over if self.pretraining_weights[1] else "mean"
        alone = [Phase("C", self.pretraining_loss, over=over)]
        game = Stage(self.phases(), share=1 - self.pretraining_share)
        return [Stage(alone, "pretraining", self.pretraining_share), game] if self.pretraining_share else [game]

    def phases(self) -> Sequence[Phase]:
        return [
            Phase("D", self.discriminator_loss),
            Phase("G", self.generator_loss),
            Phase("C", self.classifier_loss, over=self.balance_over if self.balance_weight else "mean"),
        ]

    def calibration_samples(self, batch: SemiSupervisedBatch) -> Tensor:
        return batch.unlabelled  # the labelled samples are few

    # Pairs

    def generated(self, n: int) -> tuple[Tensor, Tensor]:
        """Generated pairs (x_g, y_g): y uniform, x = G(z, y)."""
        y = self.drawn_labels(n)
        return self.model(self.noise(self.model.prior, n), y), y

    def drawn_labels(self, n: int) -> Tensor:
        """Labels (n,) drawn from p(y)."""
        return (self.draws.uniform(n) * self.model.classes).long().clamp_(max=self.model.classes - 1)

    def chosen(self, p: Tensor) -> Tensor:
        """Labels y_c of the classifier's pairs, from p_c(y | x) (N, classes): (N, 1), or all of them, (N, classes)."""
        if self.classifier_labels == "all":
            return torch.arange(p.shape[1], device=p.device).expand(len(p), -1)
        if self.classifier_labels == "argmax":
            return p.argmax(1, keepdim=True)
        drawn = (p.detach().cumsum(1) < self.draws.uniform(len(p), 1)).sum(1, keepdim=True)
        return drawn.clamp_(max=p.shape[1] - 1)

    def of_classifier(self, verdict: Callable[[Tensor], Tensor], x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        """Mean over x of sum_y weight * verdict(D(x, y)), for the labels y and weights (N, k) of each x."""
        logits = self.discriminator(x.repeat_interleave(y.shape[1], 0), y.flatten())
        each = torch.vmap(verdict)(logits.flatten()).view_as(weight)  # a loss is a mean; here over one logit
        return (weight * each).sum(1).mean()

    # Losses of D, G and C

    def discriminator_loss(self, batch: SemiSupervisedBatch) -> dict[str, Tensor]:
        x_c, x_p = batch.unlabelled, batch.second
        with torch.no_grad():
            x_g, y_g = self.generated(len(x_c))
        with undisturbed(self.model.classifier):  # label noise of dropout would reach G, and C through G
            p = self.model.classifier(x_c).softmax(1)
        y_c = self.chosen(p)
        on_labelled, on_generator = self.discriminator(batch.x, batch.label), self.discriminator(x_g, y_g)
        on_real, real = on_labelled, self.loss.real(on_labelled)
        if self.classifier_labels == "argmax":
            with undisturbed(self.model.classifier):
                y_p = self.model.classifier(x_p).argmax(1)
            on_real = self.discriminator(x_p, y_p)
            real = self.labelled_share * real + (1 - self.labelled_share) * self.loss.real(on_real)
        if (accuracy := self.loss.accuracy(on_real, on_generator)) is not None:
            self.monitor("D/accuracy", accuracy.detach())
        weight = p if self.classifier_labels == "all" else torch.ones_like(p[:, :1])
        return {
            "real": real,
            "classifier": self.alpha * self.of_classifier(self.loss.fake, x_c, y_c, weight),
            "generator": (1 - self.alpha) * self.loss.fake(on_generator),
        }

    def generator_loss(self, batch: SemiSupervisedBatch) -> dict[str, Tensor]:
        on_fake = self.discriminator(*self.generated(len(batch.unlabelled)))
        return {"loss": (1 - self.alpha) * self.loss.generator(on_fake)}

    def classifier_loss(self, batch: SemiSupervisedBatch) -> dict[str, Tensor]:
        terms = {"supervised": self.supervised(batch)}
        weights = self.adversarial_weight, self.entropy_weight, self.balance_weight, self.consistency_weight
        if any(weights):
            logits = self.model.classifier(batch.unlabelled)
            p = logits.softmax(1)
            terms |= self.regularisers(logits, entropy=self.entropy_weight, balance=self.balance_weight)
            if self.adversarial_weight:
                y = self.chosen(p)
                fooled = self.of_classifier(self.loss.generator, batch.unlabelled, y, p.gather(1, y))
                terms["adversarial"] = self.adversarial_weight * self.alpha * fooled
            if self.consistency_weight:
                terms["consistency"] = self.consistency_now * self.consistency(p, batch.unlabelled)
        if self.pseudo_now:
            terms["pseudo_discriminative"] = self.pseudo_now * self.pseudo_discriminative(len(batch.unlabelled))
        return terms

    def pretraining_loss(self, batch: SemiSupervisedBatch) -> dict[str, Tensor]:
        terms, (entropy, balance) = {"supervised": self.supervised(batch)}, self.pretraining_weights
        if entropy or balance:
            terms |= self.regularisers(self.model.classifier(batch.unlabelled), entropy=entropy, balance=balance)
        return terms

    def supervised(self, batch: SemiSupervisedBatch) -> Tensor:
        """Supervised loss R_L = E_p[-log p_c(y | x)] on labelled data."""
        logits = self.model.classifier(batch.x)
        self.monitor("C/accuracy", (logits.detach().argmax(1) == batch.label).float().mean())
        return cross_entropy(logits, batch.label)

    def pseudo_discriminative(self, n: int) -> Tensor:
        """Pseudo-discriminative loss R_P = E_{p_g}[-log p_c(y | x)] of the classifier on G's samples."""
        with torch.no_grad():
            x_g, y_g = self.generated(n)
        return cross_entropy(self.model.classifier(x_g), y_g)

    def regularisers(self, logits: Tensor, *, entropy: float, balance: float) -> dict[str, Tensor]:
        """Entropy and class-balance regularisers of p_c(y | x), from its logits (N, classes)."""
        terms, log_p = {}, logits.log_softmax(1)
        p = log_p.exp()
        if entropy:
            terms["entropy"] = entropy * -(p * log_p).sum(1).mean()
        if balance:
            terms["balance"] = balance * -p.mean(0).clamp_min(1e-8).log().mean()
        return terms

    def consistency(self, p: Tensor, x: Tensor) -> Tensor:
        """Consistency loss: squared distance of p_c(y | x) to that of a second pass without gradient."""
        with torch.no_grad():
            target = self.model.classifier(x).softmax(1)
        distance: Tensor = (p - target).square().sum(1).mean()
        return distance

    # Weight schedules

    @property
    def pseudo_now(self) -> float:
        """Weight alpha_P of the pseudo-discriminative loss in this iteration."""
        since = self.iteration / self.iterations - self.pseudo_start
        risen = min(1.0, since / self.pseudo_ramp) if self.pseudo_ramp else 1.0
        return self.pseudo_weight * risen if since >= 0 else 0.0

    @property
    def consistency_now(self) -> float:
        progress = self.iteration / (self.consistency_ramp * self.iterations) if self.consistency_ramp else 1.0
        return self.consistency_weight * exp(-5 * (1 - min(1.0, progress)) ** 2)
