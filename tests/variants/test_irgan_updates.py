"""Gradients of IRGAN's losses on rows of positives, against loops over pairs as in the authors' code (geek-ai/irgan).

The loops add up one pair after another in Python's floats, and differentiate by hand.
"""

from math import exp, log

import pytest
import torch

from lightning_gans.core.batches import RetrievalBatch
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.models.retrieval import RankingModel
from lightning_gans.networks.retrieval import MatrixFactorisation
from lightning_gans.variants.irgan import IRGAN, PairwiseIRGAN

# Factors of two users, factors of five items and their biases.
G = (
    [[0.5, -0.2], [0.1, 0.4]],
    [[0.3, 0.1], [-0.4, 0.2], [0.2, 0.6], [0.0, -0.5], [0.7, -0.1]],
    [0.1, 0.0, -0.2, 0.3, -0.1],
)
D = (
    [[-0.3, 0.6], [0.8, 0.2]],
    [[0.1, 0.5], [0.6, -0.3], [-0.2, 0.4], [0.3, 0.3], [-0.5, 0.1]],
    [0.2, -0.1, 0.1, 0.0, 0.4],
)
ITEMS = range(5)
LIKED = {0: [0, 2], 1: [1, 3]}
OWN = {0: [0, 2], 1: [3]}  # user 1's other positive is in another row
ROWS = RetrievalBatch(
    query=torch.tensor([0, 1]),
    relevant=torch.tensor([[item in LIKED[user] for item in ITEMS] for user in LIKED]),
    candidate=torch.ones(2, 5).bool(),
    number=torch.tensor([0, 1]),
    positive=torch.tensor([[0, 2], [3, -1]]),
)


class Tables:
    """Uniform draws that a test knows: each call takes the next table."""

    def __init__(self, *tables):
        self.tables = [torch.tensor(table) for table in tables]

    def uniform(self, *shape):
        table = self.tables.pop(0)
        assert table.shape == shape
        return table


def network(values):
    made = MatrixFactorisation(queries=2, documents=5, dim=2)
    with torch.no_grad():
        for parameter, value in zip(parameters(made), values, strict=True):
            parameter.copy_(torch.tensor(value))
    return made


def parameters(scorer):
    return scorer.query.weight, scorer.document.weight, scorer.document.bias


def game_of(kind=IRGAN, *tables, **settings):
    player = PlayerSettings(optimizer=lambda p: torch.optim.SGD(p, lr=0.1))
    evaluated, other = ("D", "generator") if kind is PairwiseIRGAN else ("G", "discriminator")
    made = {"G": network(G), "D": network(D)}
    game = kind(
        model=RankingModel(generator=made.pop(evaluated)),
        **{other: made.popitem()[1]},
        dns=player,
        training=Training(iterations=8, batch_size=2, players={"D": player, "G": player}),
        stream="positives",
        **{"samples": 1, **settings},
    )
    game.draws = Tables(*tables)
    return game


class Loop:
    """A loss and its gradient, summed pair by pair, of a network with the given factors and biases."""

    def __init__(self, values):
        self.u, self.v, self.b = values
        self.loss = 0.0
        self.gradient = [[[0.0] * 2 for _ in self.u], [[0.0] * 2 for _ in self.v], [0.0] * 5]

    def score(self, user, item):
        return self.u[user][0] * self.v[item][0] + self.u[user][1] * self.v[item][1] + self.b[item]

    def descend(self, user, item, slope):
        """Add the gradient of a score with d loss / d score = slope."""
        users, items, biases = self.gradient
        for k in range(2):
            users[user][k] += slope * self.v[item][k]
            items[item][k] += slope * self.u[user][k]
        biases[item] += slope

    def decay(self, weight, user, *items):
        """Half the squares of the rows that one pair reads."""
        users, documents, biases = self.gradient
        for k in range(2):
            self.loss += weight * self.u[user][k] ** 2 / 2
            users[user][k] += weight * self.u[user][k]
        for item in items:
            for k in range(2):
                self.loss += weight * self.v[item][k] ** 2 / 2
                documents[item][k] += weight * self.v[item][k]
            self.loss += weight * self.b[item] ** 2 / 2
            biases[item] += weight * self.b[item]

    def classify(self, user, item, label, l2):
        """sigmoid_cross_entropy_with_logits of one document (dis_model.py)."""
        p = sigmoid(self.score(user, item))
        self.loss -= label * log(p) + (1 - label) * log(1 - p)
        self.descend(user, item, p - label)
        self.decay(l2, user, item)

    def rank(self, user, better, worse, l2):
        """-log sigmoid of a pair's difference (dis_model_dns.py)."""
        p = sigmoid(self.score(user, better) - self.score(user, worse))
        self.loss -= log(p)
        self.descend(user, better, p - 1)
        self.descend(user, worse, 1 - p)
        self.decay(l2, user, better, worse)

    def check(self, found, scorer, rows=2):
        """Compare with the terms of a loss, which is a mean over rows."""
        total = sum(found.values())
        gradients = torch.autograd.grad(total, parameters(scorer))
        if self.loss:
            assert total.item() == pytest.approx(self.loss / rows, rel=1e-5)
        for gradient, expected in zip(gradients, self.gradient, strict=True):
            torch.testing.assert_close(gradient, torch.tensor(expected) / rows, rtol=1e-5, atol=1e-7)


def sigmoid(x):
    return 1 / (1 + exp(-x))


def softmax(scores, temperature):
    total = sum(exp(score / temperature) for score in scores)
    return [exp(score / temperature) / total for score in scores]


def drawn(weights, uniform):
    """The first document up to which the weights sum to more than `uniform` of all."""
    upto = 0.0
    for item, weight in enumerate(weights):
        upto += weight
        if upto > uniform * sum(weights):
            return item
    raise AssertionError


def test_d_descends_a_sum_over_positives_and_drawn_items_with_l2_by_occurrence():
    game = game_of(discriminator_l2=0.2)
    # user 0 is given a positive of its own as well; the last is drawn for no positive
    game.negatives = lambda batch: torch.tensor([[4, 0], [1, 2]])
    loop = Loop(D)
    for user, positive, negative in ((0, 0, 4), (0, 2, 0), (1, 3, 1)):
        loop.classify(user, positive, 1, 0.2)
        loop.classify(user, negative, 0, 0.2)
    loop.check(game.discriminator_loss(ROWS), game.discriminator)


def test_d_of_pairs_descends_a_sum_over_pairs_with_l2_by_occurrence():
    game = game_of(PairwiseIRGAN, discriminator_l2=0.2)
    game.negatives = lambda batch: torch.tensor([[4, 1], [4, 0]])
    loop = Loop(D)
    for user, positive, negative in ((0, 0, 4), (0, 2, 1), (1, 3, 4)):
        loop.rank(user, positive, negative, 0.2)
    loop.check(game.discriminator_loss(ROWS), game.model.generator)


@pytest.mark.parametrize("kind, player", [(IRGAN, "G"), (PairwiseIRGAN, "G"), (PairwiseIRGAN, "D")])
def test_dns_descends_a_sum_over_positives_against_the_hardest_of_a_few(kind, player):
    few = [[0.9, 0.1, 0.5, 0.2], [0.1, 0.9, 0.5, 0.5]]  # two for each positive
    game = game_of(kind, few, dns_l2=0.1, dns_negatives=2)
    loop = Loop({"G": G, "D": D}[player])
    hard = {}
    for user, own in OWN.items():
        unjudged = [item for item in ITEMS if item not in LIKED[user]]
        for place, positive in enumerate(own):
            pair = [unjudged[int(3 * uniform)] for uniform in few[user][2 * place : 2 * place + 2]]
            hard[user, positive] = max(pair, key=lambda item, user=user: loop.score(user, item))
            loop.rank(user, positive, hard[user, positive], 0.1)
    assert len(set(hard.values())) > 1
    loop.check(game.dns_loss(ROWS, game.scorers()[player]), game.scorers()[player])


def climb(loop, user, p, q, reward, uniforms, temperature):
    """-p / q (r - b) grad log p(d), the mean over the draws, for the row's share of its user's positives."""
    baseline = sum(p[item] * reward[item] for item in ITEMS)
    share = len(OWN[user]) / len(LIKED[user])
    for uniform in uniforms:
        chosen = drawn(q, uniform)
        weight = share * p[chosen] / q[chosen] * (reward[chosen] - baseline) / len(uniforms)
        for item in ITEMS:
            loop.descend(user, item, -weight * ((item == chosen) - p[item]) / temperature)


def test_g_descends_the_weighted_policy_gradient_of_its_draws():
    uniforms = [[0.05, 0.3, 0.62, 0.97], [0.5, 0.15, 0.85, 0.7]]  # two for each place of a positive
    game = game_of(IRGAN, uniforms, temperature=0.5, generator_samples=2)
    loop, judge = Loop(G), Loop(D)
    for user in LIKED:
        p = softmax([loop.score(user, item) for item in ITEMS], 0.5)
        q = [0.8 * p[item] + 0.2 * (item in LIKED[user]) / len(LIKED[user]) for item in ITEMS]
        reward = [2 * (sigmoid(judge.score(user, item)) - 0.5) for item in ITEMS]
        climb(loop, user, p, q, reward, uniforms[user], 0.5)
    loop.check(game.generator_loss(ROWS), game.model.generator)


def test_g_of_pairs_descends_the_policy_gradient_of_its_draws_among_the_unjudged():
    beside, uniforms = [[0.7], [0.2]], [[0.05, 0.95], [0.4, 0.7]]
    game = game_of(PairwiseIRGAN, beside, uniforms, importance_mix=0.0)
    loop, judge = Loop(G), Loop(D)
    for user, liked in LIKED.items():
        p = softmax([loop.score(user, item) for item in ITEMS], 1)
        p = [(item not in liked) * p[item] / sum(p[i] for i in ITEMS if i not in liked) for item in ITEMS]
        positive = liked[int(2 * beside[user][0])]
        reward = [log(sigmoid(judge.score(user, item) - judge.score(user, positive))) for item in ITEMS]
        climb(loop, user, p, p, reward, uniforms[user], 1)
    loop.check(game.generator_loss(ROWS), game.generator)
