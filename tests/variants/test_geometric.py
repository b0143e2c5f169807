"""Lim & Ye 2017: the support vector machine's ||w||^2 is the weight decay of D's last layer."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from datamodules import Ring
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import Hinge
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.variants.geometric import GeometricGAN
from tests.helpers.composed import composed, game_of
from tests.helpers.play import play

RATE = 0.5


def geometric(*, batch_size=4, discriminator=None, **settings):
    with isolated("networks"):
        generator = MLPGenerator(latent_dim=2, sample_shape=(2,), width=8, depth=1, batch_norm=False, output="linear")
        discriminator = discriminator or MLPDiscriminator(sample_shape=(2,), width=8, depth=1, dropout=0.0)
    player = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=RATE))
    return GeometricGAN(
        model=GenerativeModel(generator=generator, prior=Normal(dim=2)),
        discriminator=discriminator,
        loss=Hinge(),
        training=Training(iterations=1, batch_size=batch_size, players={"D": player, "G": player}),
        **settings,
    )


def after_a_step(tmp_path, **settings):
    """D's first and last weight after one iteration."""
    game = play(geometric(**settings), Ring(batch_size=4), tmp_path)
    return game, game.discriminator.layers[1].weight.detach(), game.discriminator.layers[-1].weight.detach()


@pytest.mark.parametrize("slack", [1.0, 0.25])
def test_it_is_the_weight_decay_of_the_authors_code(tmp_path, slack):
    """lim0606/pytorch-geometric-gan: weight_decay = 1 / (batch C) on D's last layer, and on no other."""
    game, first, last = after_a_step(tmp_path, slack=slack)
    _, plain_first, plain_last = after_a_step(tmp_path, slack=None)
    w = geometric().discriminator.layers[-1].weight
    torch.testing.assert_close(first, plain_first)
    torch.testing.assert_close(last, plain_last - RATE / (4 * slack) * w)
    assert game.read_losses()["D/margin"] == pytest.approx(w.square().sum().item() / (2 * 4 * slack), rel=1e-5)


def test_it_is_on_by_default_with_a_64th_for_the_authors_batch(tmp_path):
    config = composed("geometric", "data=digits")
    game = game_of(config | {"variant": config["variant"] | {"slack": None}})
    assert "slack" in config["variant"]
    assert config["variant"]["slack"] == 1.0
    assert game.slack is None
    of_64 = geometric(batch_size=64)
    assert of_64.last_weight() is of_64.discriminator.layers[-1].weight
    assert 1 / (of_64.training_settings.batch_size * of_64.slack) == 1 / 64


def test_under_spectral_normalisation_it_is_of_the_stored_weight():
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 1))
    game = geometric(discriminator=nn.Sequential(deepcopy(layer)))
    assert game.last_weight() is game.discriminator[0].parametrizations.weight.original


def test_what_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"slack=0: must be above 0"):
        geometric(slack=0)
    with pytest.raises(UserError, match="Identity has no linear"):
        geometric(discriminator=nn.Identity())
