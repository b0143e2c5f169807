"""GAN-CLS: a discriminator that is aware of what matches."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from lightning_gans.core.batches import ConditionedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.losses.penalties import R1, GradientPenalty
from lightning_gans.models.conditioned import ConditionedModel
from lightning_gans.networks.conditions import ConditionedDCGANDiscriminator
from lightning_gans.variants.gan_cls import GANCLS
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


class Level(nn.Module):
    """An image of one grey: the first number of the condition."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(()))

    def forward(self, z, condition):
        return (condition[:, 0] * self.w)[:, None, None, None].expand(-1, 1, 8, 8)


class Match(nn.Module):
    """The logit 3 mean(x) - 2 c."""

    def __init__(self):
        super().__init__()
        self.v = nn.Parameter(torch.tensor([3.0, -2.0]))

    def forward(self, x, condition):
        return torch.stack([x.mean((1, 2, 3)), condition[:, 0]], 1) @ self.v[:, None]


def game(**settings):
    player = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=0.0))
    made = GANCLS(
        model=ConditionedModel(generator=Level(), prior=Normal(dim=2), condition_dim=1, bank_size=4),
        discriminator=Match(),
        loss=NonSaturating(),
        training=Training(iterations=1, batch_size=4, players={"D": player, "G": player}),
        **settings,
    )
    made.model.fit_conditions(C)
    return made


C = torch.tensor([[2.0], [4.0], [4.0], [6.0]])  # mean 4, standard deviation sqrt(2)
REAL = torch.tensor([0.1, 0.2, 0.3, 0.4])


def batch():
    return ConditionedBatch(REAL[:, None, None, None].expand(-1, 1, 8, 8).clone(), C)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_losses_are_those_of_the_algorithm(share):
    played = game(wrong_pair_weight=share)
    played.setup("fit")
    played.draws.start(0, 0, 0)
    terms = played.discriminator_loss(batch())
    c = ((C - 4) / 2**0.5)[:, 0]
    played.draws.start(0, 0, 0)
    played.noise(played.model.prior, 4)
    wrong = played.model.standardised(played.model.drawn(played.draws.uniform(4, 1)[:, 0]))[:, 0]
    real, fake = softplus(-(3 * REAL - 2 * c)).mean(), softplus(3 * c - 2 * c).mean()
    expected = real + (1 - share) * fake + share * softplus(3 * REAL - 2 * wrong).mean()
    assert sum(terms.values()).item() == pytest.approx(expected.item(), rel=1e-5)
    played.draws.start(0, 1, 0)
    assert sum(played.generator_loss(batch()).values()).item() == pytest.approx(softplus(-c).mean().item(), rel=1e-5)


def test_wrong_pairs_are_an_option():
    played = game(wrong_pair_weight=1.0)
    played.setup("fit")
    played.draws.start(0, 0, 0)
    assert set(played.discriminator_loss(batch())) >= {"wrong_real", "wrong_fake"}
    without = game(wrong_pair_weight=0.0)
    without.setup("fit")
    without.draws.start(0, 0, 0)
    assert not any(name.startswith("wrong") for name in without.discriminator_loss(batch()))


def test_packs_are_refused():
    with pytest.raises(UserError, match="judges each sample by its own condition"):
        game(packing=2)


def test_conditions_of_another_length_are_refused(tmp_path):
    config = composed("gan_cls", "network.model.condition_dim=5", iterations=1)
    with pytest.raises(UserError, match=r"Say network\.model\.condition_dim=12"):
        play(game_of(config), data_of(config), tmp_path)


def test_a_discriminator_without_an_embedding_ignores_the_condition():
    shape = {"condition_dim": 3, "channels": 1, "image_size": 8, "width": 4, "norm": "none"}
    x, c = torch.randn(2, 1, 8, 8), torch.randn(2, 3)
    for dim, same in ((0, True), (6, False)):
        network = ConditionedDCGANDiscriminator(embedding_dim=dim, **shape)
        assert torch.equal(network(x, c), network(x, c + 1)) == same
        assert network(x, c).shape == (2, 1)


@pytest.mark.parametrize("penalty", [R1(gamma=1.0), GradientPenalty(weight=1.0)])
def test_a_penalty_sees_the_condition(penalty, tmp_path):
    played, seen = game(penalty=penalty, wrong_pair_weight=0.0), []
    played.discriminator.register_forward_pre_hook(lambda module, given: seen.append(given[1].detach().clone()))
    play(played, [batch()], tmp_path)
    assert len(seen) == 3 + isinstance(penalty, GradientPenalty)
    assert all(torch.equal(condition, (C - 4) / 2**0.5) for condition in seen)
    slope = 3 / 64**0.5  # of each of the 64 pixels, 3 / 64
    expected = slope**2 / 2 if isinstance(penalty, R1) else (slope - 1) ** 2
    assert played.read_losses()["D/penalty"] == pytest.approx(expected, rel=1e-4)
