"""Feature disentanglement: content codes from which a classifier cannot identify the speaker."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, l1_loss, softplus

from lightning_gans.core.batches import UtteranceBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Training
from lightning_gans.losses.disentanglement import confusion, different, same
from lightning_gans.models.converting import ConvertingModel
from lightning_gans.settings import Count, Natural, NonNegative


class Disentangle(Game):
    """Content and speaker encoders trained against a speaker classifier C of content codes.

    Chou et al. 2018 (1804.02812); the speaker encoder and its pairs are those of Chen et al. 2018 (1807.08089).

    An iteration is a step of C, which descends the cross-entropy of the speaker given c = E_c(x). After every k steps
    of C, one step of E_c, E_s and Dec descends

        |Dec(E_c(x), E_s(x')) - x|_1 + w_pair (|s - s'|^2 + max(0, m - |s - s''|)^2) + w_conf KL(uniform || C(c)),

    where x' is another utterance of the same speaker, so that s cannot carry the content of x, and x'' is an utterance
    of another speaker. The confusion loss trains E_c only. It pulls C towards the uniform distribution and is therefore
    bounded, unlike the negative cross-entropy of Chou et al.

    Args:
        model: E_c, E_s, Dec.
        adversary: C, content codes -> logits (N, speakers).
        training: iterations, batch size and optimisation of the players.
        adversary_steps: steps k of the adversary for one of encoders and decoder.
        margin: margin m between the codes of two speakers.
        pair_weight: weight w_pair of the speaker codes' losses.
        confusion_weight: weight w_conf of the adversary in the content encoder's loss.
        confusion_warmup: iterations in which w_conf rises from 0.
    """

    batch: ClassVar[type] = UtteranceBatch
    headline = "converted"
    letter: ClassVar[str] = "C"  # letter of the adversary
    model: ConvertingModel

    def __init__(
        self,
        *,
        model: ConvertingModel,
        adversary: nn.Module,
        training: Training,
        adversary_steps: Count = 1,
        margin: NonNegative = 1.0,
        pair_weight: NonNegative = 1.0,
        confusion_weight: NonNegative = 1.0,
        confusion_warmup: Natural = 0,
    ) -> None:
        super().__init__(model=model, training=training)
        if adversary_steps < 1:
            raise UserError(f"variant.adversary_steps={adversary_steps}: must be at least 1.")
        for name, value in (
            ("margin", margin),
            ("pair_weight", pair_weight),
            ("confusion_weight", confusion_weight),
            ("confusion_warmup", confusion_warmup),
        ):
            if not value >= 0:
                raise UserError(f"variant.{name}={value}: must be 0 or more.")
        self.adversary = adversary
        self.adversary_steps, self.margin, self.pair_weight = adversary_steps, margin, pair_weight
        self.confusion_weight, self.confusion_warmup = confusion_weight, confusion_warmup

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        autoencoder = [self.model.content_encoder, self.model.speaker_encoder, self.model.decoder]
        return {self.letter: [self.adversary], "AE": autoencoder}

    def phases(self) -> Sequence[Phase]:
        return [Phase(self.letter, self.adversary_loss), Phase("AE", self.loss, every=self.adversary_steps)]

    @property
    def weight(self) -> float:
        """Weight w_conf of the confusion loss in this iteration."""
        return self.confusion_weight * min(1.0, (self.iteration + 1) / (self.confusion_warmup + 1))

    def adversary_loss(self, batch: UtteranceBatch) -> dict[str, Tensor]:
        """Cross-entropy of the speaker classifier C on detached content codes."""
        with torch.no_grad():
            c = self.model.content_encoder(torch.cat([batch.x, batch.partner]))
        logits, speaker = self.adversary(c), torch.cat([batch.speaker, batch.speaker])
        self.monitor("C/accuracy", (logits.detach().argmax(1) == speaker).float().mean())
        return {"loss": cross_entropy(logits, speaker)}

    def confusion(self, batch: UtteranceBatch, c: Tensor) -> Tensor:
        """Loss of the content encoder E_c against the adversary, whose own parameters get no gradient."""
        return confusion(self.adversary(c))

    def loss(self, batch: UtteranceBatch) -> dict[str, Tensor]:
        c = self.model.content_encoder(batch.x)
        s, partner, other = self.model.speaker_encoder(torch.cat([batch.x, batch.partner, batch.other])).chunk(3)
        return {
            "reconstruction": l1_loss(self.model.decoder(c, partner), batch.x),
            "same": self.pair_weight * same(s, partner),
            "different": self.pair_weight * different(s, other, margin=self.margin),
            "confusion": self.weight * self.confusion(batch, c),
        }


class DisentanglePairs(Disentangle):
    """Disentanglement against T, which predicts if two content codes share a speaker (Chen et al. 2018, 1807.08089).

    T descends -log T(c, c') - log(1 - T(c, c'')); E_c descends -log T(c, c''), so that codes of two speakers look like
    codes of one speaker. Neither the identities of the speakers nor their number are needed.

    Args:
        adversary: T, two content codes -> logits (N,), high if both are of one speaker.
        settings: as Disentangle's.
    """

    letter: ClassVar[str] = "T"

    def adversary_loss(self, batch: UtteranceBatch) -> dict[str, Tensor]:
        with torch.no_grad():
            c, partner, other = self.model.content_encoder(torch.cat([batch.x, batch.partner, batch.other])).chunk(3)
        on_same, on_different = self.adversary(c, partner), self.adversary(c, other)
        right = torch.cat([on_same.detach() > 0, on_different.detach() < 0])
        self.monitor("T/accuracy", right.float().mean())
        return {"same": softplus(-on_same).mean(), "different": softplus(on_different).mean()}

    def confusion(self, batch: UtteranceBatch, c: Tensor) -> Tensor:
        return softplus(-self.adversary(c, self.model.content_encoder(batch.other))).mean()
