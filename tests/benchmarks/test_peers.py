"""Loops of peers and of the limit train, and are narrowed for a quick look."""

from math import isfinite

import pytest
import torch

from benchmarks.limit_loops import Limit
from benchmarks.memory import Readings
from benchmarks.peer_loops import Mimicry, Pythae, PyTorchGAN
from benchmarks.peers import CASES, narrow
from tests.helpers.composed import composed, data_of, game_of

RGB, GREY = (torch.rand(6, channels, 32, 32) * 2 - 1 for channels in (3, 1))


def moved(network, run):
    before = [p.detach().clone() for p in network.parameters()]
    run()
    return all(not torch.equal(mine, old) for mine, old in zip(network.parameters(), before, strict=True))


@pytest.mark.parametrize("kind", ["hinge", "softplus", "wasserstein"])
def test_mimicry_moves_both_players(kind):
    loop = Mimicry(kind, width=(4, 4), real=RGB, batch=4, discriminator_steps=1)
    before = [p.detach().clone() for p in loop.d.parameters()]
    loop.run()
    assert set(loop.metrics) == {"errD", "errG", "D(x)", "D(G(z))"}
    assert all(map(isfinite, loop.metrics.values()))
    changed = [not torch.equal(mine, old) for mine, old in zip(loop.d.parameters(), before, strict=True)]
    assert sum(changed) > len(changed) / 2  # the last bias of a critic has no gradient


def test_the_other_peers_move():
    gan, vae = PyTorchGAN(real=GREY, batch=4), Pythae(real=(GREY + 1) / 2, batch=4, widths=(8, 8), latent_dim=2)
    assert moved(gan.d, gan.run)
    assert moved(vae.encoder, vae.run)
    assert all(map(isfinite, vae.losses))


@pytest.mark.parametrize("cell", [("vanilla", "data=ring"), ("wgan_gp", "augment=none"), ("vae", "network=vae_mlp")])
def test_the_limit_moves_a_copy_of_the_game(cell):
    config = composed(*cell)
    game, data = game_of(config), data_of(config)
    real = next(data.iteration_batches(0, 1, seed=0)).x
    limit = Limit(game, real=real, autocast=torch.bfloat16 if real.dim() > 2 else None)
    network = limit.model.generator if cell[0] == "vae" else limit.d
    before = [p.detach().clone() for p in game.parameters()]
    first = next(network.parameters()).detach().clone()
    limit.run()
    assert not torch.equal(next(network.parameters()), first)
    assert all(torch.equal(mine, old) for mine, old in zip(game.parameters(), before, strict=True))


def test_a_quick_look_is_at_narrow_networks():
    case = narrow(CASES["wgan_gp"])
    assert "network.discriminator.width=8" in case.overrides
    assert case.peer(RGB).__self__.d.output.in_features == 8
    assert narrow(CASES["vae"]) == CASES["vae"]


def test_growth_is_from_a_tenth_of_the_run_to_its_end():
    readings = Readings(100)
    readings.megabytes = [90.0, 100.0, *[105.0] * 17, 102.0]
    assert readings.growth == pytest.approx(0.02)
