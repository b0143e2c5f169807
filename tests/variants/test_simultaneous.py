"""Players that step at once: PacGAN's protocol for points (Lin et al. 2018, fjxmlzn/PacGAN)."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import nn

from datamodules import Ring
from experiments.jobs.preflight import preflight
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import NonSaturating, RelativisticPairing
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.variants.simultaneous import SimultaneousGAN
from tests.helpers.play import play

RATE = 0.5


class Recording(nn.Module):
    """A network that remembers what it was given."""

    def __init__(self, network):
        super().__init__()
        self.network, self.given = network, []

    def forward(self, x):
        self.given.append(x.detach())
        return self.network(x)


def made(*, packing=1, loss=None, **settings):
    with isolated("networks"):
        generator = MLPGenerator(latent_dim=2, sample_shape=(2,), width=8, depth=1, batch_norm=False, output="linear")
        discriminator = MLPDiscriminator(sample_shape=(2 * packing,), width=8, depth=1, dropout=0.0)
    player = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=RATE))
    return SimultaneousGAN(
        model=GenerativeModel(generator=Recording(generator), prior=Normal(dim=2)),
        discriminator=Recording(discriminator),
        loss=loss or NonSaturating(),
        packing=packing,
        training=Training(iterations=1, batch_size=8, players={"D": player, "G": player}),
        **settings,
    )


@pytest.mark.parametrize("loss", [NonSaturating(), RelativisticPairing()])
@pytest.mark.parametrize("packing", [1, 2])
def test_both_gradients_are_of_one_pass_before_either_step(loss, packing, tmp_path):
    """ali_algorithm of the authors' code: both gradients, then both steps."""
    game = made(loss=loss, packing=packing)
    d, g = deepcopy(game.discriminator.network), deepcopy(game.model.generator.network)
    play(game, Ring(batch_size=8), tmp_path)
    (z,), (real, shown) = game.model.generator.given, game.discriminator.given
    assert len(real) == 8 // packing
    fake = g(z).unflatten(0, (-1, packing)).flatten(1)
    torch.testing.assert_close(shown, fake)
    on_real, on_fake = d(real), d(fake)
    losses = sum(loss.discriminator(on_real, on_fake).values()), loss.generator(on_fake, on_real)
    for network, moved, value in zip((d, g), (game.discriminator, game.model.generator), losses, strict=True):
        gradients = torch.autograd.grad(value, list(network.parameters()), retain_graph=True)
        assert any(gradient.abs().max() > 1e-4 for gradient in gradients)
        for parameter, gradient, found in zip(network.parameters(), gradients, moved.parameters(), strict=True):
            torch.testing.assert_close(found, parameter - RATE * gradient)


def test_several_batches_of_g_do_not_fit(tmp_path):
    with pytest.raises(UserError, match=r"generator_batches=2: the players of SimultaneousGAN"):
        play(made(generator_batches=2), Ring(batch_size=8), tmp_path)


@pytest.mark.parametrize("packing", [1, 2, 3, 4])
def test_the_papers_batch_is_a_hundred_packs(packing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["experiment=paper/pacgan_planar", f"variant.packing={packing}"])
    assert job.config["data"]["batch_size"] == 100 * packing
    assert job.config["variant"]["training"]["batch_size"] == 100 * packing
    assert job.config["variant"]["_target_"].endswith("SimultaneousGAN")
    assert job.config["init"] == {"_target_": "lightning_gans.networks.initialization.Normal", "std": 0.02}
    assert "batch_size" not in job.name


@pytest.mark.parametrize("data", ["ring", "grid"])
def test_recipes_for_points_count_the_batch_in_packs(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=pacgan", f"data={data}", "variant.packing=3"])
    assert job.config["data"]["batch_size"] == 3 * 256
