"""Outputs: pictures of inputs, of what is generated for them, and of the true outputs."""

import numpy as np
import pytest
from PIL import Image

from lightning_gans.callbacks.outputs import Outputs
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


@pytest.mark.parametrize("data, channels", [("digits_edges", 1), ("photos_grey", 3)])
def test_pictures_in_fours(data, channels, tmp_path):
    config = composed("pix2pix", f"data={data}", "network.model.generator.dropout=0.5", iterations=2)
    game, module = game_of(config), data_of(config)
    play(game, module, tmp_path, Outputs(every=2, rows=8, columns=3))
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == [*(f"outputs-0000000{iteration}.png" for iteration in (0, 1, 2)), "outputs.gif"]
    picture = np.asarray(Image.open(tmp_path / "samples" / names[2]))
    cell = 66
    assert picture.shape[:2] == (8 * cell - 2, 3 * cell - 2)
    a, b = (next(module.parts[side].split("validation").at_most(6).batches(6)).x for side in "ab")
    made = [game.evaluated_model().generate(a, seed=seed) for seed in range(2)]
    for row, x in enumerate([a, *made, b]):
        shown = picture[row * cell : row * cell + 64 : 8, :64:8]
        shown = shown if shown.ndim == 3 else shown[..., None]
        expected = ((x[0] + 1) * 127.5).round().permute(1, 2, 0).numpy()
        assert np.abs(shown[..., : x.shape[1]].astype(int) - expected).max() <= 1


def test_without_noise_one_output_is_enough(tmp_path):
    config = composed("pix2pix", "network.model.generator.dropout=0", iterations=1)
    play(game_of(config), data_of(config), tmp_path, Outputs(every=1, rows=3, columns=2))
    assert Image.open(tmp_path / "samples" / "outputs-00000001.png").size == (2 * 66 - 2, 3 * 66 - 2)
