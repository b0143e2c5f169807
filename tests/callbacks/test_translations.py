"""Translations: pictures of held-out images, their translations, and the translations back."""

import numpy as np
import pytest
from PIL import Image

from lightning_gans.callbacks.translations import Translations
from lightning_gans.core.errors import UserError
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


def test_pictures_in_threes(tmp_path):
    config = composed("cyclegan", iterations=3)
    game, data = game_of(config), data_of(config)
    play(game, data, tmp_path, Translations(every=2, rows=6, columns=3))
    made = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert made == [f"translations-{way}-{i:08d}.png" for way in ("a2b", "b2a") for i in (2, 3)]
    picture = np.asarray(Image.open(tmp_path / "samples" / made[1]))
    cell = 66
    assert picture.shape == (6 * cell - 2, 3 * cell - 2, 3)
    held_out = next(data.parts["a"].split("validation").at_most(6).batches(6)).x
    for row, x in ((0, held_out[:3]), (3, held_out[3:])):  # rows 1 and 2: what became of the first three
        shown = picture[row * cell : row * cell + 64 : 8, :64:8, 0]
        assert np.array_equal(shown, ((x[0, 0] + 1) * 127.5).round().numpy())
    there = game.evaluated_model().translate(held_out[:1], "a2b")
    assert np.array_equal(picture[cell : cell + 64 : 8, :64:8, 0], ((there[0, 0] + 1) * 127.5).round().numpy())


def test_a_resumed_run_forgets_pictures_it_will_draw_again(tmp_path):
    (tmp_path / "samples").mkdir()
    for name in ("translations-a2b-00000009.png", "translations-a2b-mine.png"):
        (tmp_path / "samples" / name).write_bytes(b"")
    config = composed("cyclegan", iterations=1)
    play(game_of(config), data_of(config), tmp_path, Translations(every=1, rows=3, columns=2))
    assert not (tmp_path / "samples" / "translations-a2b-00000009.png").exists()
    assert (tmp_path / "samples" / "translations-a2b-mine.png").exists()


def test_no_columns_are_refused():
    with pytest.raises(UserError, match="columns=0"):
        Translations(every=1, columns=0)
