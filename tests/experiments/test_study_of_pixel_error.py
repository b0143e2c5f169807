"""The study of wrong pixels: the changed copies, the callback that asks D, and the page."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from datamodules import Digits, Ring
from experiments.studies import pixel_error
from experiments.studies.wrong_pixels import COPIES, FILE, WrongPixels, digits_of, isolated, logits_of, moved_edge
from lightning_gans.core.errors import UserError
from lightning_gans.extractors.base import Features
from tests.helpers.studied import write


def image(*rows):
    """Rows of `#` for ink and `.` for background."""
    return torch.tensor([[1.0 if pixel == "#" else -1.0 for pixel in row] for row in rows])[None, None]


def changed(before, after):
    return [tuple(place) for place in (before != after)[0, 0].nonzero().tolist()]


def test_the_isolated_pixel_is_far_from_ink_and_from_the_border():
    x = image("........", "........", ".....###", "........", "........", "........", "........", "########")
    assert changed(x, isolated(x)) == [(2, 2)]  # 3 pixels from the border and from the ink on the right
    assert isolated(x)[0, 0, 2, 2] == 1.0


def test_an_edge_of_six_pixels_moves_outwards():
    x = torch.full((1, 1, 8, 8), -1.0)
    x[0, 0, 1:7, 3] = 0.5
    x[0, 0, 1:7, 4] = -0.5
    # towards the left the step is larger
    assert changed(x, moved_edge(x, 6, 1)) == [(row, 2) for row in range(1, 7)]
    assert (moved_edge(x, 6, 1)[0, 0, 1:7, 2] == 0.5).all()


def test_both_pixels_across_an_edge_take_their_neighbours_values():
    x = torch.full((1, 1, 8, 8), -1.0)
    x[0, 0, 2, :3], x[0, 0, 3, :3], x[0, 0, 4, :3] = 1.0, 0.6, -0.9
    after = moved_edge(x, 3, 2)
    assert changed(x, after) == [(row, column) for row in (3, 4) for column in range(3)]
    assert after[0, 0, 2:6, 0].tolist() == pytest.approx([1.0, 1.0, 0.6, -1.0])


def test_every_digit_has_copies_with_one_and_six_wrong_pixels():
    x = digits_of(Digits(image_size=16).split("test"))
    counts = {name: (copy(x) != x).flatten(1).sum(1) for name, copy in COPIES.items()}
    assert {name: set(count.tolist()) for name, count in counts.items()} == {"one": {1}, "line": {6}, "block": {6}}
    assert all(copy(x).abs().max() <= 1.0 for copy in COPIES.values())


def test_an_image_without_an_edge_is_refused():
    with pytest.raises(ValueError, match="no edge of 6 x 1 pixels"):
        moved_edge(torch.zeros(1, 1, 8, 8), 6, 1)


class Sums(nn.Module):
    """A game whose D adds up pixels, and whose samples are black."""

    iteration = iterations = 10
    device, boundary = torch.device("cpu"), 0.0

    def logits(self, x):
        return x.flatten(1).sum(1)

    def evaluated_model(self):
        return SimpleNamespace(sample=lambda n, seed=0, start=0: torch.full((n, 1, 16, 16), -1.0))


def trainer(folder, data):
    return SimpleNamespace(datamodule=data, default_root_dir=folder, is_global_zero=True)


def test_logits_are_written_at_the_end(tmp_path):
    run, game = trainer(tmp_path, Digits(image_size=16)), Sums()
    WrongPixels().on_fit_start(run, game)
    WrongPixels().on_train_end(run, game)
    logits = logits_of(tmp_path)
    x = digits_of(run.datamodule.split("test"))
    assert torch.allclose(logits["real"], x.flatten(1).sum(1).double(), atol=1e-3)
    assert torch.allclose(logits["line"], COPIES["line"](x).flatten(1).sum(1).double(), atol=1e-3)
    assert (logits["generated"] == -256).all()
    (tmp_path / FILE).unlink()
    game.iterations = 20  # the run is not over
    WrongPixels().on_train_end(run, game)
    assert not (tmp_path / FILE).exists()


def test_games_and_data_that_cannot_be_asked_are_refused(tmp_path):
    packed = Sums()
    packed.logits = lambda x: None
    with pytest.raises(UserError, match=r"D of Sums gives none. Choose variant=dcgan"):
        WrongPixels().on_fit_start(trainer(tmp_path, Digits(image_size=16)), packed)
    with pytest.raises(UserError, match=r"these samples are 2\. Say data=digits"):
        WrongPixels().on_fit_start(trainer(tmp_path, Ring()), Sums())
    with pytest.raises(UserError, match="experiment=study/pixel_error"):
        logits_of(tmp_path)


class Pixels:
    name = "pixels of a test"

    def __call__(self, x):
        return Features(x.flatten(1), None)


def judged(folder, variant, seed, logits):
    run = write(
        folder / f"{variant}-{seed}",
        config={
            "names": {"data": "digits", "variant": variant},
            "data": {"_target_": "datamodules.Digits", "image_size": 16, "batch_size": 64},
            "iterations": 1000,
            "seed": seed,
            "trainer": {"precision": "auto"},
        },
    )
    (run / "summary.json").write_text(json.dumps({"status": "finished", "seconds": 9.0, "test": {"last": {}}}))
    (run / FILE).write_text("real,one,line,block,generated\n" + f"{','.join(map(str, logits))}\n" * 180)
    return run


def test_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_error, "classifier", lambda *_, **__: Pixels())
    runs = [
        judged(tmp_path, "dcgan", 1, (2.0, 1.0, 1.5, 0.5, -1.0)),
        judged(tmp_path, "dcgan", 2, (2.0, 1.0, 0.5, 0.5, -1.0)),
    ]
    pixel_error.report(runs, tmp_path)
    page = (tmp_path / "pixel_error.md").read_text()
    assert "study/pixel_error seed=1,2\n" in page
    assert "| D of dcgan | 2 | 1.00 | 1.00 | 1.50 | 3.00 | 50 ± 50.0 | **0 ± 0.0** |" in page
    (pixels,) = [line for line in page.splitlines() if line.startswith("| pixels |")]
    assert pixels.split(" | ")[2:4] == ["2.00", "2.37"]
    assert (tmp_path / "pixel_error.png").read_bytes().startswith(b"\x89PNG")
