import io

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from datamodules import Vowels
from lightning_gans.callbacks.conversions import Conversions
from lightning_gans.core.errors import UserError
from lightning_gans.evaluation.disentanglement import targets
from tests.helpers.composed import composed, game_of
from tests.helpers.play import play
from tests.helpers.tiny import fit, tiny_game

SMALL = {"speakers": 2, "sample_rate": 8000, "mels": 16, "frames": 8}
OVERRIDES = [f"data.{key}={value}" for key, value in SMALL.items()]


def played(folder, iterations, **options):
    game, data = game_of(composed("disentangle", *OVERRIDES, iterations=iterations)), Vowels(batch_size=8, **SMALL)
    return play(game, data, folder, Conversions(every=2, **options)), data


def test_pictures_on_the_way_and_sounds_at_the_end(tmp_path):
    played(tmp_path, 3, rows=6, columns=5)
    made = sorted(path.name for path in (tmp_path / "samples").iterdir())
    sounds = [f"conversion-{i}-{what}.wav" for i in range(1, 5) for what in ("converted", "source", "target")]
    assert made == sorted([*sounds, "conversions-00000002.png", "conversions-00000003.png"])
    size = (5 * (4 * 8 + 2) - 2, 6 * (4 * 16 + 2) - 2)  # 16 bands are enlarged to 64 px
    assert Image.open(tmp_path / "samples" / "conversions-00000003.png").size == size
    wave, rate = soundfile.read(io.BytesIO((tmp_path / "samples" / "conversion-1-source.wav").read_bytes()))
    assert rate == 8000
    assert 0.001 < np.abs(wave).max() <= 1


def test_source_target_and_conversion_stand_below_each_other(tmp_path):
    game, data = played(tmp_path, 2, rows=3, columns=2, seed=5)
    picture = np.asarray(Image.open(tmp_path / "samples" / "conversions-00000002.png"))
    split = data.split("validation")
    (batch,) = split.batches(1000)
    cells = [picture[top : top + 64 : 4, :32:4][::-1] for top in (0, 66, 132)]
    shown = [((x + 1) * 127.5).round().clamp(0, 255).numpy() for x in batch.x]
    source = next(i for i, x in enumerate(shown) if np.array_equal(x, cells[0]))
    target = targets(split.speakers)[source]
    assert np.array_equal(cells[1], shown[target])
    assert split.speakers[source] != split.speakers[target]
    converted = game.evaluated_model().convert(batch.x[source][None], batch.x[target][None])[0]
    assert np.abs(cells[2] - ((converted + 1) * 127.5).clamp(0, 255).numpy()).max() <= 1


def test_a_resumed_run_forgets_later_pictures(tmp_path):
    later = tmp_path / "samples" / "conversions-00000009.png"
    later.parent.mkdir()
    later.write_bytes(b"")
    played(tmp_path, 1)
    assert not later.exists()


def test_games_that_convert_nothing_are_left_alone(tmp_path):
    fit(tiny_game(2), tmp_path, [Conversions(every=1)])
    assert not (tmp_path / "samples").exists()


@pytest.mark.parametrize("key", ["every", "rows", "columns"])
def test_numbers_below_one_are_refused(key):
    with pytest.raises(UserError, match=f"callbacks.grids.{key}=0"):
        Conversions(**{"every": 1, key: 0})


def test_pictures_are_the_same_every_time(tmp_path):
    for name in "ab":
        played(tmp_path / name, 2, rows=3, columns=3)
    first, second = ((tmp_path / name / "samples" / "conversions-00000002.png").read_bytes() for name in "ab")
    assert first == second
    assert torch.get_default_dtype() == torch.float32
