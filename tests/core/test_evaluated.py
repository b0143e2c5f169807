"""The weights that are measured and exported: an average, with batch statistics of its own."""

import copy
from functools import partial

import pytest
import torch

from datamodules import Digits
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.models.generative import CALIBRATION_CHUNKS, GenerativeModel
from lightning_gans.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from lightning_gans.variants.vanilla import GAN
from tests.helpers.play import Watch, play


@pytest.fixture(scope="module")
def digits():
    return Digits(batch_size=16, image_size=8)


def trained(folder, digits, *, ema_half_life):
    settings = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=1e-2))
    with isolated("networks"):
        generator = DCGANGenerator(latent_dim=4, channels=1, image_size=8, width=4)
        discriminator = DCGANDiscriminator(channels=1, image_size=8, width=4)
    game = GAN(
        model=GenerativeModel(generator=generator, prior=Normal(dim=4)),
        discriminator=discriminator,
        loss=NonSaturating(),
        training=Training(
            iterations=10, batch_size=16, players={"D": settings, "G": settings}, ema_half_life=ema_half_life
        ),
    )
    return play(game, digits, folder)


def statistics(model):
    return {name: buffer.clone() for name, buffer in model.named_buffers()}


@pytest.mark.parametrize("ema_half_life", [None, 20.0])
def test_batch_statistics_are_those_of_the_evaluated_weights(tmp_path, digits, ema_half_life):
    game = trained(tmp_path, digits, ema_half_life=ema_half_life)
    raw, weights = statistics(game.model), copy.deepcopy(dict(game.model.named_parameters()))
    evaluated = game.evaluated_model()
    found = statistics(evaluated)

    # as one pass over all calibration codes in training mode would find them
    first, norm = evaluated.generator.layers[0], evaluated.generator.layers[1]
    codes = [evaluated.codes(chunk, seed=-1) for chunk in range(CALIBRATION_CHUNKS)]
    maps = [first(z[:, :, None, None]) for z in codes]
    mean = torch.stack([m.mean((0, 2, 3)) for m in maps]).mean(0)
    variance = torch.stack([m.transpose(0, 1).flatten(1).var(1) for m in maps]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(norm.running_var, variance, rtol=1e-4, atol=1e-7)

    name = "generator.layers.1.running_mean"
    assert (found[name] - raw[name]).abs().max() > 1e-3 * raw[name].abs().max()
    assert not any(module.training for module in evaluated.modules())

    # the game's own network is as it was
    assert all(torch.equal(buffer, raw[name]) for name, buffer in game.model.named_buffers())
    assert all(torch.equal(parameter, weights[name]) for name, parameter in game.model.named_parameters())
    assert game.model.training


def test_asking_again_gives_the_same(tmp_path, digits):
    game = trained(tmp_path, digits, ema_half_life=20.0)
    found = statistics(game.evaluated_model())
    assert game.evaluated_model() is game.ema.model
    assert all(torch.equal(buffer, found[name]) for name, buffer in game.evaluated_model().named_buffers())
    game.invalidate_evaluated()
    torch.rand(3)
    assert all(torch.equal(buffer, found[name]) for name, buffer in game.evaluated_model().named_buffers())


def test_a_copy_changed_from_outside_is_read_anew(tmp_path, digits):
    game = trained(tmp_path, digits, ema_half_life=None)
    weight = game.model.generator.layers[0].weight
    game.evaluated_model().generator.layers[0].weight.zero_()
    game.invalidate_evaluated()
    assert torch.equal(game.evaluated_model().generator.layers[0].weight, weight)


def test_the_average_is_another_network_than_the_newest(tmp_path, digits):
    averaged = trained(tmp_path, digits, ema_half_life=1e6)
    newest = trained(tmp_path, digits, ema_half_life=None)
    for game, same in ((averaged, False), (newest, True)):
        weight = game.evaluated_model().generator.layers[0].weight
        assert torch.equal(weight, game.model.generator.layers[0].weight) is same
    assert torch.equal(averaged.model.generator.layers[0].weight, newest.model.generator.layers[0].weight)


def test_evaluating_changes_nothing_about_the_run(tmp_path, digits):
    game = trained(tmp_path, digits, ema_half_life=20.0)
    looked = GAN(
        model=copy.deepcopy(game.model),
        discriminator=copy.deepcopy(game.discriminator),
        loss=NonSaturating(),
        training=game.training_settings,
    )
    quiet = copy.deepcopy(looked)
    watch = Watch(lambda trainer, game: game.evaluated_model().sample(2).sum())
    play(looked, digits, tmp_path, watch)
    play(quiet, digits, tmp_path)
    for name, tensor in quiet.model.state_dict().items():
        assert torch.equal(looked.model.state_dict()[name], tensor)
    assert len({value.item() for value in watch.seen}) == 10
