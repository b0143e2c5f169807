"""Pictures of held-out images beside samples for their conditions."""

import numpy as np
from PIL import Image

from lightning_gans.callbacks.conditions import Conditions
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


def test_a_row_is_an_image_and_samples_for_its_condition(tmp_path):
    config = composed("gan_cls", "data.image_size=8", iterations=2)
    game, data = game_of(config), data_of(config)
    play(game, data, tmp_path, Conditions(every=2, rows=3, columns=4))
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["conditions-00000002.png"]
    picture = np.asarray(Image.open(tmp_path / "samples" / names[-1]))
    cell = picture.shape[0] // 3 + 1
    part = data.split("validation").at_most(3)
    real = next(part.batches(3)).x
    made = game.evaluated_model().sample(9, condition=part.conditions.repeat_interleave(3, 0))
    for row in range(3):
        for column, x in enumerate([real[row], *made[3 * row : 3 * row + 3]]):
            shown = picture[row * cell : row * cell + cell - 2, column * cell : column * cell + cell - 2]
            step = len(shown) // 8
            expected = ((x[0] + 1) * 127.5).round().numpy()
            assert np.abs(shown[::step, ::step].reshape(8, 8, -1)[..., 0].astype(int) - expected).max() <= 1
