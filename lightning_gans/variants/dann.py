"""Domain-adversarial training of neural networks."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lightning_gans.core.batches import DomainBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Training
from lightning_gans.core.schedules import saturating
from lightning_gans.losses.reversal import reverse_gradient
from lightning_gans.models.domain import DomainModel
from lightning_gans.settings import NonNegative


class DANN(Game):
    """Domain-adversarial neural network (Ganin et al. 2016, 1505.07818, eq. 9): gradient reversal, one backward pass.

        E(f, y, d) = L_y(f, y; source) - lambda (L_d(f, d; source) + L_d(f, d; target))

    f and y minimise E, and d maximises it; each L is a mean over its batch. d itself descends L_d with weight 1.
    Between d and f, the gradient is multiplied by -lambda (gradient reversal). lambda rises over the run as
    adaptation_weight * (2 / (1 + exp(-steepness p)) - 1), where p is the finished share of the run. With
    adaptation_weight 0, f and y are trained on the source only, bit for bit, and d does not influence them.

    f processes source and target in separate passes, which matters only to networks with batch statistics.

    Args:
        model: f, y and d.
        training: iterations, batch size and optimisation of the players.
        adaptation_weight: weight of the reversed gradient at the end of the run; 0: training on the source alone.
        steepness: steepness of the weight's rise; 10 in the paper.
    """

    batch: ClassVar[type] = DomainBatch
    contents: ClassVar[tuple[str, ...]] = ("images",)
    domain_player: ClassVar[str] = "FYD"  # the player whose log has d's accuracy
    headline = "target_information"  # reads no label of the target
    model: DomainModel

    def __init__(
        self,
        *,
        model: DomainModel,
        training: Training,
        adaptation_weight: NonNegative = 1.0,
        steepness: NonNegative = 10.0,
    ) -> None:
        if not adaptation_weight >= 0:
            raise UserError(f"variant.adaptation_weight={adaptation_weight}: must be 0 (source only) or more.")
        super().__init__(model=model, training=training)
        self.adaptation_weight = adaptation_weight
        self.steepness = steepness

    def on_fit_start(self) -> None:
        """Set the mean image that the model subtracts from its inputs; does nothing without a data module."""
        data: Any = getattr(self.trainer, "datamodule", None)
        if hasattr(data, "mean"):
            self.model.centre(data.mean)

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"FYD": [self.model.network]}

    def phases(self) -> Sequence[Phase]:
        return [Phase("FYD", self.loss)]

    @property
    def adaptation(self) -> float:
        """Weight lambda of the domain loss in this iteration."""
        return self.adaptation_weight * saturating(self.iteration / self.iterations, steepness=self.steepness)

    def loss(self, batch: DomainBatch) -> dict[str, Tensor]:
        source, target = self.model.extract(batch.x), self.model.extract(batch.target)
        reversed_ = (reverse_gradient(features, self.adaptation) for features in (source, target))
        return {"label": self.label_loss(source, batch.label), "domain": self.domain_loss(*reversed_)}

    def label_loss(self, source: Tensor, label: Tensor) -> Tensor:
        """Label loss L_y of features (N, f) and labels (N,): cross-entropy."""
        return cross_entropy(self.model.network.label(source), label)  # type: ignore[operator]

    def domain_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """Domain loss L_d of features, (N, f) each: the sum of both domains' mean cross-entropies (eq. 9).

        Equal to 2 log 2 if the domains are indistinguishable.
        """
        losses, right = [], []
        for number, features in enumerate((source, target)):
            logits = self.model.network.domain(features)  # type: ignore[operator]
            losses.append(cross_entropy(logits, torch.full((len(logits),), number, device=logits.device)))
            right.append((logits.detach().argmax(1) == number).float().mean())
        self.monitor(f"{self.domain_player}/domain_accuracy", torch.stack(right).mean())
        return torch.stack(losses).sum()


class DANNAlternating(DANN):
    """DANN with alternating updates instead of gradient reversal: d descends L_d on fixed features, then f and y move.

    f and y descend L_y - lambda L_d (eq. 10), on the same batch and with the updated d.
    """

    domain_player = "D"

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        network: Any = self.model.network
        return {"D": [network.domain], "FY": [network.features, network.label]}

    def phases(self) -> Sequence[Phase]:
        return [Phase("D", self.classifier_loss), Phase("FY", self.loss)]

    def classifier_loss(self, batch: DomainBatch) -> dict[str, Tensor]:
        with torch.no_grad():
            source, target = self.model.extract(batch.x), self.model.extract(batch.target)
        return {"loss": self.domain_loss(source, target)}

    def loss(self, batch: DomainBatch) -> dict[str, Tensor]:
        source, target = self.model.extract(batch.x), self.model.extract(batch.target)
        return {
            "label": self.label_loss(source, batch.label),
            "domain": -self.adaptation * self.domain_loss(source, target),
        }
