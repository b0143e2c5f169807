"""The auto-encoder learns to give back what it is shown, and its encoder is measured with its own statistics."""

import pytest
import torch

from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


@pytest.fixture(scope="module")
def config():
    overrides = "data.image_size=8", "network.model.generator.width=32"
    return composed("autoencoder", "network=autoencoder_mlp", *overrides, iterations=400, small=False)


@pytest.fixture(scope="module")
def game(config, tmp_path_factory):
    return play(game_of(config), data_of(config), tmp_path_factory.mktemp("run"))


def test_it_gives_back_what_it_is_shown(game, config):
    x = next(data_of(config).split("validation").batches(64)).x
    error = (game.evaluated_model().reconstruct(x) - x).square().mean()
    assert error < 0.7 * x.sub(x.mean(0)).square().mean()  # of the mean image


def test_the_loss_is_the_pixel_error(game, config):
    batch = next(data_of(config).iteration_batches(0, 1))
    game.model.eval()
    expected = (game.model.reconstruct(batch.x) - batch.x).square().mean()
    torch.testing.assert_close(game.loss(batch)["loss"], expected)


def test_the_encoders_statistics_are_those_of_its_weights_on_training_images(game, config):
    evaluated = game.evaluated_model().encoder
    hidden = evaluated.features[1:3]  # linear, leaky ReLU; batch norm after the next linear
    batches = list(data_of(config).iteration_batches(0, 1024 // 8, seed=game.seed))
    inputs = [evaluated.features[3](hidden(batch.x.flatten(1))) for batch in batches]
    mean = torch.stack([x.mean(0) for x in inputs]).mean(0)
    torch.testing.assert_close(evaluated.features[4].running_mean, mean, rtol=1e-4, atol=1e-5)


def test_reconstruction_chooses_the_best_checkpoint(game):
    assert game.headline == "reconstruction_mse"
