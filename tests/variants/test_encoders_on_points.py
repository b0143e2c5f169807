"""Variants with an encoder on points of the plane."""

import pytest
import torch

from lightning_gans.core.protocols import Reconstructs
from lightning_gans.models import load_generator, save_generator
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


@pytest.mark.parametrize("data", ["ring", "grid"])
@pytest.mark.parametrize("variant", ["autoencoder", "vae", "vaegan", "bigan", "ali", "infogan"])
def test_points_are_encoded_and_generated(variant, data, tmp_path):
    config = composed(variant, f"data={data}", iterations=2)
    game = play(game_of(config), data_of(config), tmp_path)
    model = game.evaluated_model()
    assert model.sample(5).shape == (5, 2)
    if isinstance(model, Reconstructs):
        x = next(data_of(config).split("test").batches(7)).x
        assert model.reconstruct(x).shape == (7, 2)
    save_generator(model, config["variant"]["model"], tmp_path / "generator")
    assert torch.equal(load_generator(tmp_path).sample(5), model.sample(5))


def test_a_category_of_infogan_is_a_mode():
    assert composed("infogan", "data=grid")["network"]["model"]["codes"][0]["dim"] == 25
