"""Energy-based model: a discriminator trained without a generator."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, Training
from lightning_gans.core.pool import ReplayBuffer
from lightning_gans.losses.adversarial import AdversarialLoss
from lightning_gans.models.energy import EnergyModel
from lightning_gans.settings import Count, NonNegative, Share


class EnergyBased(Game):
    """Energy-based model (Du & Mordatch 2019, 1903.08689, Algorithm 1); negatives are drawn by Langevin dynamics on D.

    Each iteration continues Langevin chains by a few steps, from the ends of earlier chains or, for a share of them,
    from noise. D then raises the scores of data and lowers those of the chains' ends. With the Wasserstein objective,
    this is the likelihood gradient of p(x) ~ exp(D(x)), E_p grad D - E_q grad D; with other objectives, it is the loop
    of structured learning that trains D and solves arg max D.

    Args:
        model: D as an energy, and the chains that sample from it.
        loss: loss of D on data and on the chains' ends.
        training: iterations, batch size and optimisation of the players.
        steps: steps K of a chain in each iteration.
        buffer: number of chains' ends that are kept.
        fresh_share: share of the chains that restart from uniform noise.
        magnitude_weight: weight alpha of E[D(x+)^2 + D(x-)^2]: scores have no scale of their own.
        data_noise: standard deviation of noise that is added to data, in their own units; they stay in the chains' box.
            A small data set that D has memorised becomes narrow peaks of D, which chains do not find; noise widens them
            (Nijkamp et al. 2019, 1903.12370).
    """

    batch: ClassVar[type] = SampleBatch
    lipschitz: ClassVar[bool | tuple[str, ...]] = ("magnitude_weight",)
    contents: ClassVar[tuple[str, ...]] = ("images", "points")
    model: EnergyModel

    def __init__(
        self,
        *,
        model: EnergyModel,
        loss: AdversarialLoss,
        training: Training,
        steps: Count,
        buffer: Count,
        fresh_share: Share,
        magnitude_weight: NonNegative,
        data_noise: NonNegative = 0.0,
    ) -> None:
        super().__init__(model=model, training=training)
        if buffer < 1 or steps < 1:
            raise UserError(f"variant.buffer={buffer} and variant.steps={steps}: must be at least 1.")
        self.loss = loss
        self.steps = steps
        self.replay = ReplayBuffer(buffer, *model.shape, fresh_share=fresh_share)
        self.magnitude_weight, self.data_noise = magnitude_weight, data_noise

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"D": [self.model.discriminator]}

    def phases(self) -> Sequence[Phase]:
        return [Phase("D", self.discriminator_loss, after=lambda: self.replay.commit(self.gather), over=self.loss.over)]

    def negatives(self, n: int) -> Tensor:
        """Negative samples: the ends of n Langevin chains, detached."""
        shape = self.model.shape
        fresh = self.model.begin(self.draws.uniform(n, *shape))
        start = self.replay.starts(fresh, self.draws.uniform(n, 2))
        ends = self.model.chain(start, self.steps, lambda: self.draws.normal(n, *shape))
        self.replay.push(ends)
        return ends

    def positives(self, x: Tensor) -> Tensor:
        """Positive samples (N, *shape): data with noise, clamped to the chains' box."""
        if not self.data_noise:
            return x
        noisy = x + self.data_noise * self.draws.normal(*x.shape).to(x)
        return noisy.clamp(self.model.low, self.model.high)

    def discriminator_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        fake, real = self.negatives(len(batch.x)), self.positives(batch.x)
        on_real, on_fake = self.model.discriminator(real), self.model.discriminator(fake)
        terms = self.loss.discriminator(on_real, on_fake)
        with torch.no_grad():
            accuracy = self.loss.accuracy(on_real, on_fake)
            if accuracy is not None:
                self.monitor("D/accuracy", accuracy)
            self.monitor("D/gap", on_real.mean() - on_fake.mean())
        if self.magnitude_weight:
            terms["magnitude"] = self.magnitude_weight * (on_real.square().mean() + on_fake.square().mean())
        return terms
