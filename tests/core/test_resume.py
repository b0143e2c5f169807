"""A run that was stopped and continued is the run that was not, to the last bit."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from datamodules import Digits, Ring
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.losses.penalties import R1
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator
from lightning_gans.variants.vanilla import GAN
from tests.helpers.play import StopAfter, play

ITERATIONS = 9


def ring(key):
    with isolated(key):
        return (
            MLPGenerator(latent_dim=3, sample_shape=(2,), width=8, depth=2, batch_norm=True, output="linear"),
            MLPDiscriminator(sample_shape=(2,), width=8, depth=2, dropout=0.3),
        )


def digits(key):
    with isolated(key):
        discriminator = nn.Sequential(nn.Dropout2d(0.1), DCGANDiscriminator(channels=1, image_size=8, width=4))
        return DCGANGenerator(latent_dim=3, channels=1, image_size=8, width=4), discriminator


SETTINGS = {"ring": (ring, lambda: Ring(batch_size=6)), "digits": (digits, lambda: Digits(batch_size=6, image_size=8))}


def make(networks, *, key="first", iterations=ITERATIONS, penalty=None):
    generator, discriminator = networks(key)
    settings = PlayerSettings(
        optimizer=partial(torch.optim.Adam, lr=1e-2, betas=(0.5, 0.99), fused=True),
        schedule=partial(LambdaLR, lr_lambda=lambda step: 0.9**step),
        clip_norm=1.0,
    )
    return GAN(
        model=GenerativeModel(generator=generator, prior=Normal(dim=3)),
        discriminator=discriminator,
        loss=NonSaturating(),
        penalty=penalty,
        discriminator_steps=2,
        training=Training(
            iterations=iterations, batch_size=6, players={"D": settings, "G": settings}, ema_half_life=30.0, seed=7
        ),
    )


class Batches(pl.Callback):
    """The batches that were seen, by iteration."""

    def __init__(self):
        self.seen = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen[pl_module.iteration] = batch.x.clone()


def state(game):
    """Everything that training changes; the averaged network as it would be exported."""
    game.evaluated_model()
    return {name: tensor.clone() for name, tensor in game.state_dict().items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    different = [name for name, tensor in expected.items() if not torch.equal(found[name], tensor)]
    assert different == []


@pytest.mark.parametrize("data", ["ring", "digits"])
def test_continued_runs_equal_straight_ones(tmp_path, data):
    networks, load = SETTINGS[data]
    penalty = R1(gamma=0.1) if data == "ring" else None
    batches, path = Batches(), tmp_path / "last.ckpt"
    straight = state(play(make(networks, penalty=penalty), load(), tmp_path, batches))
    start = state(make(networks, penalty=penalty))
    assert not any(torch.equal(straight[name], start[name]) for name in straight if name.endswith("weight"))
    for stop in (1, 4, 8):
        first = Batches()
        play(make(networks, penalty=penalty), load(), tmp_path, first, StopAfter(stop, path))
        assert sorted(first.seen) == list(range(stop))
        torch.rand(stop)  # another process would be in another random state
        second = Batches()
        game = make(networks, key="other weights", penalty=penalty)
        play(game, load(), tmp_path, second, checkpoint=path)
        assert_same(state(game), straight)
        assert sorted(second.seen) == list(range(stop, ITERATIONS))
        seen = first.seen | second.seen
        assert all(torch.equal(seen[i], batches.seen[i]) for i in range(ITERATIONS))


def test_double_precision_is_kept(tmp_path):
    networks, load = SETTINGS["ring"]
    options = {"precision": "64-true"}
    straight = state(play(make(networks), load(), tmp_path, **options))
    path = tmp_path / "last.ckpt"
    play(make(networks), load(), tmp_path, StopAfter(4, path), **options)
    game = play(make(networks, key="other weights"), load(), tmp_path, checkpoint=path, **options)
    assert straight["model.generator.layers.0.weight"].dtype == torch.float64
    assert_same(state(game), straight)


def test_a_run_continued_twice_equals_a_straight_one(tmp_path):
    networks, load = SETTINGS["ring"]
    straight = state(play(make(networks), load(), tmp_path))
    play(make(networks), load(), tmp_path, StopAfter(2, tmp_path / "a.ckpt"))
    play(make(networks), load(), tmp_path, StopAfter(5, tmp_path / "b.ckpt"), checkpoint=tmp_path / "a.ckpt")
    game = play(make(networks), load(), tmp_path, checkpoint=tmp_path / "b.ckpt")
    assert_same(state(game), straight)


def test_other_seeds_are_other_runs(tmp_path):
    networks, load = SETTINGS["ring"]
    game, other = make(networks), make(networks)
    other.seed = 8
    assert not torch.equal(
        state(play(game, load(), tmp_path))["model.generator.layers.0.weight"],
        state(play(other, load(), tmp_path))["model.generator.layers.0.weight"],
    )


def test_a_finished_run_goes_on_to_a_larger_budget(tmp_path):
    networks, load = SETTINGS["ring"]
    straight = state(play(make(networks, iterations=12), load(), tmp_path))
    path = tmp_path / "last.ckpt"
    play(make(networks, iterations=ITERATIONS), load(), tmp_path, StopAfter(ITERATIONS, path))
    game = play(make(networks, iterations=12), load(), tmp_path, checkpoint=path)
    assert game.iteration == 12
    assert_same(state(game), straight)


def test_a_checkpoint_holds_tensors_and_plain_values_only(tmp_path):
    networks, load = SETTINGS["ring"]
    path = tmp_path / "last.ckpt"
    game = make(networks)
    game.scores.record({"fid": 3.5}, 2)
    play(game, load(), tmp_path, StopAfter(3, path))
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["game"]["iteration"] == checkpoint["global_step"] == 3
    assert len(checkpoint["optimizer_states"]) == len(checkpoint["lr_schedulers"]) == 2
    assert "ema.model.generator.layers.0.weight" in checkpoint["state_dict"]

    again = make(networks)
    again.latest = {}
    play(again, load(), tmp_path, StopAfter(4, tmp_path / "b.ckpt"), checkpoint=path)
    assert again.scores["fid"].best == 3.5
    assert torch.load(tmp_path / "b.ckpt", weights_only=True)["game"]["scores"] == checkpoint["game"]["scores"]
