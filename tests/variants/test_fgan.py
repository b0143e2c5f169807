"""Nowozin et al. 2016, Algorithm 1: one pass over one batch, both gradients, both steps; for any f-divergence."""

from copy import deepcopy
from functools import partial

import pytest
import torch
import yaml
from torch import nn

from datamodules import Ring
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import Hinge
from lightning_gans.losses.divergences import DIVERGENCES, KL, JensenShannon
from lightning_gans.losses.penalties import R1, GradientPenalty
from lightning_gans.models import build
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.variants.fgan import FGAN
from tests.helpers.composed import CONF, composed, data_of, game_of
from tests.helpers.play import play

RATE = 0.5


class Recording(nn.Module):
    """A network that remembers what it was given."""

    def __init__(self, network):
        super().__init__()
        self.network, self.given = network, []

    def forward(self, x):
        self.given.append(x)
        return self.network(x)


def fgan(*, iterations=1, loss=None, **settings):
    with isolated("networks"):
        generator = MLPGenerator(latent_dim=2, sample_shape=(2,), width=8, depth=1, batch_norm=False, output="linear")
        discriminator = MLPDiscriminator(sample_shape=(2,), width=8, depth=1, dropout=0.0)
    player = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=RATE))
    return FGAN(
        model=GenerativeModel(generator=Recording(generator), prior=Normal(dim=2)),
        discriminator=Recording(discriminator),
        loss=loss or KL(),
        training=Training(iterations=iterations, batch_size=4, players={"D": player, "G": player}),
        **settings,
    )


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("penalised", [False, True])
def test_one_pass_gives_both_players_their_gradients(name, penalised, tmp_path):
    loss = DIVERGENCES[name]()
    game = fgan(loss=loss, penalty=R1(gamma=0.2) if penalised else None)
    d, g = deepcopy(game.discriminator.network), deepcopy(game.model.generator.network)
    play(game, Ring(batch_size=4), tmp_path)
    (z,), shown = game.model.generator.given, game.discriminator.given
    real, fake = shown[0], g(z)
    assert len(shown) == 2  # the penalty is of the pass that the loss makes
    torch.testing.assert_close(shown[1], fake)
    on_real, on_fake = d(real), d(fake)
    d_loss = loss.composite(on_fake).mean() - loss.activation(on_real).mean()
    if penalised:
        points = real.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(d(points).sum(), points, create_graph=True)
        d_loss = d_loss + 0.1 * gradient.square().sum(1).mean()
    g_loss = -loss.activation(on_fake).mean()
    for network, moved, value in ((d, game.discriminator, d_loss), (g, game.model.generator, g_loss)):
        gradients = torch.autograd.grad(value, list(network.parameters()), retain_graph=True)
        assert any(gradient.abs().max() > 1e-4 for gradient in gradients)
        for parameter, gradient, found in zip(network.parameters(), gradients, moved.parameters(), strict=True):
            torch.testing.assert_close(found, parameter - RATE * gradient)


def test_every_iteration_has_fresh_samples(tmp_path):
    game = fgan(iterations=3)
    play(game, Ring(batch_size=4), tmp_path)
    assert len(game.discriminator.given) == 6
    shown = torch.cat(game.discriminator.given).detach()
    assert len(shown.unique(dim=0)) == len(shown) == 24


def test_what_d_descends_is_minus_the_bound(tmp_path):
    game = fgan()
    play(game, Ring(batch_size=4), tmp_path)
    losses = game.read_losses()
    assert losses["D/kl"] == pytest.approx(-(losses["D/real"] + losses["D/fake"]), rel=1e-5)
    assert losses["D/loss"] == pytest.approx(-losses["D/kl"], rel=1e-5)


def test_a_generator_may_sit_out(tmp_path):
    game = fgan(iterations=4, discriminator_steps=2)
    start = deepcopy(game.model.generator.network.state_dict())
    moved = []

    def note(*_):
        now = game.model.generator.network.state_dict()
        moved.append(any(not torch.equal(now[name], start[name]) for name in now))
        start.update(deepcopy(now))

    game.training_step = _then(game.training_step, note)
    play(game, Ring(batch_size=4), tmp_path)
    assert moved == [False, True, False, True]


def _then(step, note):
    def both(*arguments):
        step(*arguments)
        note()

    return both


@pytest.mark.parametrize("settings", [{"packing": 2}, {"penalty": GradientPenalty(weight=1.0)}])
def test_what_any_game_may_add(settings, tmp_path):
    game = fgan(**settings)
    if "packing" in settings:
        with isolated("packed"):
            network = MLPDiscriminator(sample_shape=(4,), width=8, depth=1, dropout=0.0)
        game.discriminator = Recording(network)
    play(game, Ring(batch_size=4), tmp_path)
    assert len(game.model.generator.given) == 1
    assert game.read_losses()["G/gradient_norm"] > 0


def test_other_objectives_are_refused():
    game = fgan(loss=Hinge())
    with pytest.raises(UserError, match=r"Hinge is none. Choose objective=f_kl or f_reverse_kl"):
        game.setup("fit")


def test_a_larger_batch_of_gs_is_refused():
    game = fgan(generator_batches=2)
    with pytest.raises(UserError, match=r"generator_batches=2.*Choose 1"):
        game.setup("fit")


def test_every_divergence_is_an_objective():
    there = {path.stem.removeprefix("f_") for path in CONF.glob("objective/f_*.yaml")}
    assert there == set(DIVERGENCES)
    for name in DIVERGENCES:
        settings = yaml.safe_load((CONF / f"objective/f_{name}.yaml").read_text())
        assert type(build(settings, trusted=True)) is DIVERGENCES[name]
    assert type(game_of(composed("fgan")).loss) is JensenShannon
    assert type(game_of(composed("fgan", "variant.divergence=pearson")).loss) is DIVERGENCES["pearson"]
    with pytest.raises(UserError, match=r"variant\.divergence=kll"):
        game_of(composed("fgan", "variant.divergence=kll"))
    assert game_of(composed("fgan", "objective=f_weighted_js", "objective.pi=0.3")).loss.pi == 0.3


@pytest.mark.parametrize("name", DIVERGENCES)
def test_every_divergence_trains(name, tmp_path):
    config = composed("fgan", "data=ring", f"objective=f_{name}", iterations=20)
    losses = play(game_of(config), data_of(config), tmp_path).read_losses()
    assert f"D/{DIVERGENCES[name].divergence}" in losses
    assert all(abs(value) < 100 for value in losses.values())
