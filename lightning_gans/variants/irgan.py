"""IRGAN: a generator that samples documents for a query, and a discriminator trained on relevant documents."""

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal

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
from lightning_gans.core.protocols import ScoresPairs
from lightning_gans.core.rng import stream
from lightning_gans.losses.ranking import (
    draw,
    hardest,
    importance_mixture,
    log_policy,
    pairwise_logistic,
    policy_gradient,
)
from lightning_gans.models.retrieval import FixedRanking, ItemNeighbours, Lookup, RankingModel
from lightning_gans.settings import Count, NonNegative, Positive, Share

SHORTEST = 4  # iterations of a round, so that both players move in it
KEYED = 512  # rows whose negatives come from one random stream


class IRGAN(Game):
    """IRGAN (Wang et al. 2017, 1705.10513, Algorithm 1 and eq. 1-5), pointwise, with the additions of geek-ai/irgan.

        p_theta(d | q) = softmax(g_theta(q, d) / temperature)
        D descends  E_{d ~ p_true} sp(-f(q, d)) + E_{d ~ p_theta} sp(f(q, d))
        G ascends   E_{d ~ p_theta} r(d),  r = 2 s(f) - 1,  by  E_{p_n}[p_theta / p_n (r - b) grad log p_theta(d)]

    p_n = (1 - importance_mix) p_theta + importance_mix p_true, and the baseline b = E_{p_theta} r is exact. An
    iteration is one batch of rows. A row is a query, with expectations as means over its documents. With
    stream=positives, a row is a query with a few of its positives, whose losses are summed: an epoch then weighs every
    query-positive pair once in the losses of D and DNS, and every query once in G's, as in the code. The run starts
    with G alone on dynamic negatives (DNS, Zhang et al. 2013). The rest is divided into rounds, in which first D and
    then G moves.

    Args:
        model: G's scores g_theta, queries (N, ...) -> scores (N, M); it is evaluated and exported.
        discriminator: D's scores f, queries (N, ...) -> scores (N, M).
        dns: optimisation of G in the first stage, before the game.
        training: iterations, batch size and optimisation of the players.
        stream: training batches. train: rows of queries; positives: rows of a query with data.per_row positives.
        pretraining: share of the iterations before the game; 0: G begins as it is; 1: DNS and no game.
        dns_negatives: number of documents of which the one that G scores highest is its negative; 1 is BPR.
        dns_l2: weight in DNS's loss of half the squared norm of the rows of factors and biases that a pair of a
            positive and its negative reads, for each time that one is read (network=irgan).
        rounds: number of rounds of D and then G, the code's outer epochs; fewer where one would be shorter than four
            iterations.
        discriminator_share: D's part of each round.
        discriminator_l2: the same weight in D's loss.
        resamplings: number of times that new negatives are drawn in D's part of a round; in between a row keeps its
            own.
        temperature: temperature of p_theta where G moves.
        negatives_temperature: temperature of p_theta where it draws D's negatives.
        importance_mix: share of p_true in the distribution from which G's documents are drawn.
        samples: number of documents that are drawn for each query, or each positive of a row, by either player.
        generator_samples: number of those that G draws where it moves; null: as many as `samples`.
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
        stream: Literal["train", "positives"] = "train",
        pretraining: Share = 0.5,
        dns_negatives: Count = 5,
        dns_l2: NonNegative = 0.0,
        rounds: Count = 15,
        discriminator_share: Annotated[float, Gt(0), Lt(1)] = 2 / 3,
        discriminator_l2: NonNegative = 0.0,
        resamplings: Count = 20,
        temperature: Positive = 1.0,
        negatives_temperature: Positive = 0.2,
        importance_mix: Share = 0.2,
        samples: Count = 16,
        generator_samples: Count | None = None,
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
        for name, value in (("dns_l2", dns_l2), ("discriminator_l2", discriminator_l2)):
            if value and not (isinstance(model.generator, ScoresPairs) and isinstance(discriminator, ScoresPairs)):
                raise UserError(
                    f"variant.{name}={value}: a {type(model.generator).__name__} has no rows of factors. Choose "
                    f"network=irgan, or variant.{name}=0 and the optimizer's weight_decay."
                )
        self.discriminator, self.dns = discriminator, dns
        self.batches, self.pretraining = stream, pretraining
        self.dns_negatives, self.dns_l2 = dns_negatives, dns_l2
        self.rounds, self.discriminator_share, self.resamplings = rounds, discriminator_share, resamplings
        self.discriminator_l2 = discriminator_l2
        self.temperature, self.negatives_temperature = temperature, negatives_temperature
        self.importance_mix, self.samples = importance_mix, samples
        self.generator_samples = samples if generator_samples is None else generator_samples
        self.register_buffer("initialisation", parameters_to_vector(model.parameters()).detach().clone())

    def scorers(self) -> Mapping[str, nn.Module]:
        """Scorer of each player: queries (N, ...) -> scores (N, M)."""
        return {"D": self.discriminator, "G": self.model.generator}

    def players(self) -> Mapping[str, Sequence[nn.Module | nn.Parameter]]:
        return {player: [scorer] for player, scorer in self.scorers().items()}

    def stages(self) -> Sequence[Stage]:
        first = [Phase(player, self._dns_loss_of(player), after=self.keep) for player in self.pretrained]
        optimised = dict.fromkeys(self.pretrained, self.dns)
        stages = [
            Stage(first, name="dns", share=self.pretraining, players=optimised, batches=self.batches),
            Stage(self.phases(), share=1 - self.pretraining, batches=self.batches),
        ]
        return [stage for stage in stages if stage.share > 0]

    def phases(self) -> Sequence[Phase]:
        return [
            Phase("D", self.discriminator_loss, active=self.discriminators_turn),
            Phase("G", self.generator_loss, active=lambda: not self.discriminators_turn()),
        ]

    # Schedule

    def position(self) -> tuple[int, float]:
        """Round of the game, and the progress within it, in [0, 1)."""
        start = self.stage_batches()[0][1] if 0 < self.pretraining < 1 else 0
        length = self.iterations - start
        done = (self.iteration - start) * min(self.rounds, max(1, length // SHORTEST)) / length
        return int(done), done % 1

    def discriminators_turn(self) -> bool:
        return self.position()[1] < self.discriminator_share

    # Pre-training

    def _dns_loss_of(self, player: str) -> Any:
        return lambda batch: self.dns_loss(batch, self.scorers()[player])

    def positives(self, batch: RetrievalBatch) -> tuple[Tensor, Tensor]:
        """Positive documents (N, S) for each row, and the weight of each in its loss, (N, S)."""
        if batch.positive is None:
            drawn = draw(batch.relevant, self.draws.uniform(len(batch.relevant), self.samples))
            return drawn, torch.full_like(drawn, 1 / self.samples, dtype=torch.float32)
        own = batch.positive.repeat(1, self.samples)
        return own.clamp(min=0), (own >= 0) / self.samples

    def dns_loss(self, batch: RetrievalBatch, scorer: nn.Module) -> dict[str, Tensor]:
        """Loss of dynamic negative sampling: each positive against the hardest of a few unlabelled documents."""
        positive, weight = self.positives(batch)
        n = positive.shape[1] * self.dns_negatives
        negative = draw(batch.candidate & ~batch.relevant, self.draws.uniform(len(positive), n))
        look = Lookup(scorer, batch.query)
        (better, squares, queries), (scores, others, _) = look(positive), look(negative)
        hard = hardest(scores.detach(), self.dns_negatives)
        loss = pairwise_logistic(better, scores.gather(1, hard))
        squares = queries + squares + others.gather(1, hard)
        return {"loss": summed(loss, weight)} | self.penalty(self.dns_l2, summed(squares, weight))

    def penalty(self, l2: float, squares: Tensor) -> dict[str, Tensor]:
        return {"l2": l2 * squares} if l2 else {}

    def keep(self) -> None:
        """Keep the evaluated player after DNS pre-training, as a baseline."""
        self.initialisation.copy_(parameters_to_vector(self.model.parameters()).detach())

    def baselines(self, data: Data | None) -> Mapping[str, nn.Module]:
        initial = copy.deepcopy(self.model)
        vector_to_parameters(self.initialisation, initial.parameters())
        known: dict[str, nn.Module] = {"dns": initial}
        if (popularity := getattr(data, "popularity", None)) is not None:
            known["popularity"] = FixedRanking(popularity)
        if (seen := getattr(data, "seen", None)) is not None:
            known["item_knn"] = ItemNeighbours(seen)
        return known

    # The game

    def drawable(self, batch: RetrievalBatch) -> Tensor:
        """Mask (N, M) of the documents that G may draw."""
        return batch.candidate

    def negatives(self, batch: RetrievalBatch) -> Tensor:
        """Negative documents (N, S) drawn from p_theta, one for each positive; kept until the next resampling."""
        turn, done = self.position()
        key = self.seed, "negatives", turn, int(done / self.discriminator_share * self.resamplings)
        n = self.samples * (1 if batch.positive is None else batch.positive.shape[1])
        with torch.no_grad():
            scores = self.scorers()["G"](batch.query)
            log_p = log_policy(scores, self.drawable(batch), temperature=self.negatives_temperature)
        return draw(log_p.exp(), _keyed(key, batch.number.cpu(), n).to(log_p))

    def true(self, batch: RetrievalBatch) -> tuple[Tensor, Tensor]:
        """True documents (N, S) and their weights: all of p_true, or a row's own positives."""
        if batch.positive is not None:
            return batch.positive.clamp(min=0), (batch.positive >= 0).float()
        every = torch.arange(batch.relevant.shape[1], device=batch.relevant.device).expand_as(batch.relevant)
        return every, batch.relevant / batch.relevant.sum(1, keepdim=True)

    def discriminator_loss(self, batch: RetrievalBatch) -> dict[str, Tensor]:
        look = Lookup(self.scorers()["D"], batch.query)
        true, weight = self.true(batch)
        negative = self.negatives(batch)
        drawn = weight.repeat(1, self.samples) / self.samples if batch.positive is not None else 1 / self.samples
        (real, squares, queries), (fake, others, _) = look(true), look(negative)
        terms = {"real": summed(softplus(-real), weight), "fake": summed(softplus(fake), drawn)}
        squared = summed(queries + squares, weight) + summed(queries + others, drawn)
        return terms | self.penalty(self.discriminator_l2, squared)

    def reward(self, f: Tensor, batch: RetrievalBatch) -> Tensor:
        """Reward of each document drawn, (N, M), from D's scores (N, M)."""
        return 2 * f.sigmoid() - 1

    def generator_loss(self, batch: RetrievalBatch) -> dict[str, Tensor]:
        scorers = self.scorers()
        log_p = log_policy(scorers["G"](batch.query), self.drawable(batch), temperature=self.temperature)
        n, share = self.generator_samples, torch.ones_like(log_p[:, :1])
        if batch.positive is not None:
            n *= batch.positive.shape[1]
            share = (batch.positive >= 0).sum(1, keepdim=True) / batch.relevant.sum(1, keepdim=True)
        with torch.no_grad():
            p, reward = log_p.exp(), self.reward(scorers["D"](batch.query), batch)
            baseline = (p * reward).sum(1, keepdim=True)
            proposal = importance_mixture(p, batch.relevant, self.importance_mix)
            drawn = draw(proposal, self.draws.uniform(len(p), n))
            self.monitor("G/reward", baseline.mean())
        return {"loss": policy_gradient(log_p, drawn, reward - baseline, proposal, share=share)}


class PairwiseIRGAN(IRGAN):
    """Pairwise IRGAN (section 2.3): D judges f(q, d+) above f(q, d-), and G draws the hardest d-.

    D descends E -log s(f(d+) - f(d-)); G's reward is log s(f(d-) - f(d+)), as in the code. Both start from DNS. D's
    ranking is evaluated and exported. D never receives a known positive as a negative, as in the code.

    Args:
        model: D's scores f, queries (N, ...) -> scores (N, M); it is evaluated and exported.
        generator: G's scores g_theta, queries (N, ...) -> scores (N, M).
    """

    pretrained: ClassVar[tuple[str, ...]] = ("G", "D")

    def __init__(self, *, model: RankingModel, generator: nn.Module, **settings: Any) -> None:
        super().__init__(model=model, discriminator=generator, **settings)
        del self.discriminator
        self.generator = generator

    def scorers(self) -> Mapping[str, nn.Module]:
        return {"D": self.model.generator, "G": self.generator}

    def drawable(self, batch: RetrievalBatch) -> Tensor:
        return batch.candidate & ~batch.relevant

    def discriminator_loss(self, batch: RetrievalBatch) -> dict[str, Tensor]:
        look = Lookup(self.scorers()["D"], batch.query)
        positive, weight = self.positives(batch)
        (better, squares, queries), (worse, others, _) = look(positive), look(self.negatives(batch))
        loss = summed(pairwise_logistic(better, worse), weight)
        return {"loss": loss} | self.penalty(self.discriminator_l2, summed(queries + squares + others, weight))

    def reward(self, f: Tensor, batch: RetrievalBatch) -> Tensor:
        """Reward of each document against one relevant document, drawn for each query."""
        positive = draw(batch.relevant, self.draws.uniform(len(f), 1))
        return logsigmoid(f - f.gather(1, positive))


def summed(loss: Tensor, weight: Tensor | float) -> Tensor:
    """Weighted sum over a row, (N, S), and mean over rows: ()."""
    return (loss * weight).sum(1).mean()


@lru_cache(maxsize=256)
def _stream(key: tuple[int | str, ...], chunk: int, n: int) -> Tensor:
    # one dtype for any precision of a run, since the cache belongs to the process
    return torch.rand(KEYED, n, generator=stream(*key, chunk), dtype=torch.float32)


def _keyed(key: tuple[int | str, ...], number: Tensor, n: int) -> Tensor:
    """Return (N, n) numbers from U(0, 1), which depend only on the key and the row number."""
    chunks, place = (number // KEYED).unique(return_inverse=True)
    return torch.stack([_stream(key, chunk, n) for chunk in chunks.tolist()])[place, number % KEYED]


def _check(**bounds: tuple[float, float, float]) -> None:
    for name, (value, least, most) in bounds.items():
        if not least <= value <= most:
            raise UserError(f"variant.{name}={value}: must be from {least} to {most}.")
