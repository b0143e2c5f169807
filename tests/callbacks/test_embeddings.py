"""Embeddings: pictures of the features of two domains."""

from PIL import Image

from datamodules import EmbeddedDomains
from lightning_gans.callbacks.embeddings import Embeddings
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play
from tests.helpers.tiny import fit, tiny_game


def test_the_picture_before_and_after(tmp_path):
    config = composed("dann", iterations=2)
    play(game_of(config), data_of(config), tmp_path, Embeddings(points=20))
    made = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert made == ["features-after.png", "features-before.png"]
    pictures = [Image.open(tmp_path / "samples" / name) for name in made]
    assert {picture.size for picture in pictures} == {(900, 450)}
    assert pictures[0].tobytes() != pictures[1].tobytes()


def test_other_games_draw_none(tmp_path):
    fit(tiny_game(1), tmp_path, [Embeddings()])
    assert not (tmp_path / "samples").exists()
    config = composed("dann", iterations=1)
    game, data = game_of(config), data_of(config)
    assert isinstance(data, EmbeddedDomains)
    play(game, list(data.iteration_batches(0, 1)), tmp_path, Embeddings())
    assert not (tmp_path / "samples").exists()
