"""IRGAN: a generator that draws documents for a query, against a discriminator that knows the relevant ones."""

import copy
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Gt, Lt
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from lightning_gans.core.batches import RetrievalBatch
from lightning_gans.core.data import Data
from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, PlayerSettings, Stage, Training
from lightning_gans.core.rng import stream
from lightning_gans.losses.ranking import (
    draw,
    hardest,
    importance_mixture,
    log_policy,
    pairwise_logistic,
    policy_gradient,
)
from lightning_gans.models.retrieval import FixedRanking, RankingModel
from lightning_gans.settings import Count, Positive, Share

SHORTEST = 4  # iterations of a round, so that both players move in it


class IRGAN(Game):
    """Wang et al. 2017 (1705.10513), Algorithm 1 and eq. 1-5, pointwise, with what the code geek-ai/irgan adds.

        p_theta(d | q) = softmax(g_theta(q, d) / temperature)
        D descends  E_{d ~ p_true} sp(-f(q, d)) + E_{d ~ p_theta} sp(f(q, d))
        G ascends   E_{d ~ p_theta} r(d),  r = 2 s(f) - 1,  by  E_{p_n}[p_theta / p_n (r - b) grad log p_theta(d)]

    p_n = (1 - importance_mix) p_theta + importance_mix p_true, and b = E_{p_theta} r exactly. An iteration is one batch
    of queries. The run begins with G alone on dynamic negatives (DNS, Zhang et al. 2013); the rest of it is divided
    into rounds, in each of which D moves first and then G.

    Args:
        model: G's scores g_theta, queries (N, ...) -> scores (N, M).
        discriminator: D's scores f, queries (N, ...) -> scores (N, M).
        dns: optimisation of G in the first stage, before the game.
        training: iterations, batch size and optimisation of the players.
        pretraining: share of the iterations before the game; 0: G begins as it is; 1: DNS and no game.
        dns_negatives: number of documents of which the one that G scores highest is its negative.
        rounds: number of rounds of D and then G, the code's outer epochs; fewer where one would be shorter than four
            iterations.
        discriminator_share: D's part of each round.
        resamplings: number of times that new negatives are drawn in D's part of a round; in between a query keeps its
            own.
        temperature: temperature of p_theta where G moves.
        negatives_temperature: temperature of p_theta where it draws D's negatives.
        importance_mix: share of p_true in the distribution from which G's documents are drawn.
        samples: number of documents that are drawn for each query, by either player.
    """

    batch: ClassVar[type] = RetrievalBatch
    headline = "ndcg_at_5"
    pretrained: ClassVar[tuple[str, ...]] = ("G",)
    model: RankingModel
    initialisation: Tensor

    def __init__(
        self,
        *,
        model: RankingModel,
        discriminator: nn.Module,
        dns: PlayerSettings,
        training: Training,
        pretraining: Share = 0.5,
        dns_negatives: Count = 5,
        rounds: Count = 15,
        discriminator_share: Annotated[float, Gt(0), Lt(1)] = 2 / 3,
        resamplings: Count = 20,
        temperature: Positive = 1.0,
        negatives_temperature: Positive = 0.2,
        importance_mix: Share = 0.2,
        samples: Count = 16,
    ) -> None:
        super().__init__(model=model, training=training)
        if not isinstance(model, RankingModel):
            raise UserError(
                f"IRGAN ranks documents, and a {type(model).__name__} does not. Choose network=irgan for numbered "
                "queries and documents (data=movielens), network=irgan_features for described ones."
            )
        _check(pretraining=(pretraining, 0, 1), importance_mix=(importance_mix, 0, 1))
        if not 0 < discriminator_share < 1:
            raise UserError(f"variant.discriminator_share={discriminator_share}: must be above 0 and below 1.")
        for name, value in (("temperature", temperature), ("negatives_temperature", negatives_temperature)):
            if not value > 0:
                raise UserError(f"variant.{name}={value}: must be above 0.")
        self.discriminator, self.dns = discriminator, dns
        self.pretraining, self.dns_negatives = pretraining, dns_negatives
        self.rounds, self.discriminator_share, self.resamplings = rounds, discriminator_share, resamplings
        self.temperature, self.negatives_temperature = temperature, negatives_temperature
        self.importance_mix, self.samples = importance_mix, samples
        self.register_buffer("initialisation", parameters_to_vector(model.parameters()).detach().clone())

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {"D": [self.discriminator], "G": [self.model.generator]}

    def stages(self) -> Sequence[Stage]:
        first = [Phase(player, self._dns_loss_of(player), after=self.keep) for player in self.pretrained]
        stages = [
            Stage(first, name="dns", share=self.pretraining, players=dict.fromkeys(self.pretrained, self.dns)),
            Stage(self.phases(), share=1 - self.pretraining),
        ]
        return [stage for stage in stages if stage.share > 0]

    def phases(self) -> Sequence[Phase]:
        return [
            Phase("D", self.discriminator_loss, active=self.discriminators_turn),
            Phase("G", self.generator_loss, active=lambda: not self.discriminators_turn()),
        ]

    # Whose turn it is

    def position(self) -> tuple[int, float]:
        """The round, and how far it has gone, in [0, 1)."""
        start = self.stage_batches()[0][1] if 0 < self.pretraining < 1 else 0
        length = self.iterations - start
        done = (self.iteration - start) * min(self.rounds, max(1, length // SHORTEST)) / length
        return int(done), done % 1

    def discriminators_turn(self) -> bool:
        return self.position()[1] < self.discriminator_share

    # Before the game

    def _dns_loss_of(self, player: str) -> Any:
        scorer = self.model if player == "G" else self.discriminator
        return lambda batch: self.dns_loss(batch, scorer(batch.query))

    def positives(self, batch: RetrievalBatch, n: int) -> Tensor:
        """(N, n) documents from p_true."""
        return draw(batch.relevant, self.draws.uniform(len(batch.relevant), n))

    def dns_loss(self, batch: RetrievalBatch, scores: Tensor) -> dict[str, Tensor]:
        """Each positive against the hardest of a few documents that are not known to be relevant."""
        n = self.samples * self.dns_negatives
        positives = self.positives(batch, self.samples)
        negatives = draw(batch.candidate & ~batch.relevant, self.draws.uniform(len(scores), n))
        worse = hardest(scores, negatives, self.dns_negatives)
        return {"loss": pairwise_logistic(scores.gather(1, positives), worse)}

    def keep(self) -> None:
        """G as DNS leaves it, to be measured beside the game's."""
        self.initialisation.copy_(parameters_to_vector(self.model.parameters()).detach())

    def baselines(self, data: Data | None) -> Mapping[str, nn.Module]:
        initial = copy.deepcopy(self.model)
        vector_to_parameters(self.initialisation, initial.parameters())
        popularity = getattr(data, "popularity", None)
        known: dict[str, nn.Module] = {"dns": initial}
        return known if popularity is None else known | {"popularity": FixedRanking(popularity)}

    # The game

    def negatives(self, batch: RetrievalBatch) -> Tensor:
        """Documents (N, samples) from p_theta. A query keeps its own until the next resampling, for G stands still."""
        turn, done = self.position()
        key = self.seed, "negatives", turn, int(done / self.discriminator_share * self.resamplings)
        numbers = [torch.rand(self.samples, generator=stream(*key, query)) for query in batch.number.tolist()]
        with torch.no_grad():
            log_p = log_policy(self.model(batch.query), batch.candidate, temperature=self.negatives_temperature)
        return draw(log_p.exp(), torch.stack(numbers).to(self.device))

    def discriminator_loss(self, batch: RetrievalBatch) -> dict[str, Tensor]:
        f = self.discriminator(batch.query)
        on_true = (softplus(-f) * batch.relevant).sum(1) / batch.relevant.sum(1)
        return {"real": on_true.mean(), "fake": softplus(f.gather(1, self.negatives(batch))).mean()}

    def reward(self, f: Tensor, batch: RetrievalBatch) -> Tensor:
        """Of drawing each document, (N, M), from D's scores (N, M)."""
        return 2 * f.sigmoid() - 1

    def generator_loss(self, batch: RetrievalBatch) -> dict[str, Tensor]:
        log_p = log_policy(self.model(batch.query), batch.candidate, temperature=self.temperature)
        with torch.no_grad():
            p, reward = log_p.exp(), self.reward(self.discriminator(batch.query), batch)
            baseline = (p * reward).sum(1, keepdim=True)
            proposal = importance_mixture(p, batch.relevant, self.importance_mix)
            drawn = draw(proposal, self.draws.uniform(len(p), self.samples))
            self.monitor("G/reward", baseline.mean())
        return {"loss": policy_gradient(log_p, drawn, reward - baseline, proposal)}


class PairwiseIRGAN(IRGAN):
    """Section 2.3: D judges pairs, f(q, d+) above f(q, d-), and G draws the d- that is hardest to tell from d+.

    D descends E -log s(f(d+) - f(d-)); G's reward is log s(f(d-) - f(d+)), as in the code. Both begin from DNS.
    """

    pretrained: ClassVar[tuple[str, ...]] = ("G", "D")

    def discriminator_loss(self, batch: RetrievalBatch) -> dict[str, Tensor]:
        f = self.discriminator(batch.query)
        better, worse = self.positives(batch, self.samples), self.negatives(batch)
        return {"loss": pairwise_logistic(f.gather(1, better), f.gather(1, worse))}

    def reward(self, f: Tensor, batch: RetrievalBatch) -> Tensor:
        """Against one relevant document, drawn for each query."""
        return logsigmoid(f - f.gather(1, self.positives(batch, 1)))


def _check(**bounds: tuple[float, float, float]) -> None:
    for name, (value, least, most) in bounds.items():
        if not least <= value <= most:
            raise UserError(f"variant.{name}={value}: must be from {least} to {most}.")
