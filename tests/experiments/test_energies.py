"""`experiments.sample score=` and `inpaint=`: energies of images, and completions of masked ones."""

import csv
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

import lightning_gans
from datamodules.pixels import normalise, square
from experiments import sample
from experiments.trained.inpainting import masked
from lightning_gans.core.errors import UserError
from lightning_gans.models import build, save_generator
from lightning_gans.reporting.images import to_uint8
from tests.helpers.composed import composed

SIZE = 8


@cache
def described(variant, *settings):
    spec = composed(variant, *settings, image_size=SIZE)["variant"]["model"]
    return spec | ({"steps": 5} if variant == "energy" else {})


def export(folder, variant, *settings):
    spec = described(variant, *settings)
    torch.manual_seed(0)
    save_generator(build(spec).eval(), spec, folder / "generator", about={"iteration": 1500})
    return folder


@pytest.fixture
def run(tmp_path):
    return export(tmp_path / "run", "energy")


@pytest.fixture
def photos(tmp_path):
    for number, name in enumerate(("a.png", "b.jpg", "deep/c.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (12, 15, 3), np.uint8)).save(path)
    return tmp_path / "photos"


def ask(**given):
    return sample.main([f"{key}={value}" for key, value in given.items()])


def pictures(photos, *names):
    return torch.stack([normalise(square(Image.open(photos / name), size=SIZE, channels=1)) for name in names])


NAMES = ("a.png", "b.jpg", "deep/c.png")


def test_energies_are_written_lowest_first(run, photos, tmp_path, capsys):
    (photos / "torn.png").write_bytes(b"no picture")
    assert ask(run=run, score=photos, out=tmp_path / "found.csv") == 0
    with (tmp_path / "found.csv").open(newline="") as text:
        found = list(csv.DictReader(text))
    energy = lightning_gans.load_generator(run).energy(pictures(photos, *NAMES)).tolist()
    expected = sorted(zip(energy, NAMES, strict=True))
    assert [row["path"] for row in found] == [str(photos / name) for _, name in expected]
    assert [float(row["energy"]) for row in found] == pytest.approx([value for value, _ in expected], rel=1e-5)
    said = capsys.readouterr().out
    assert f"3 images of {photos} scored by {run} (iteration 1,500)" in said
    assert "1 of 4 skipped: " in said
    assert ask(run=run, score=photos / "a.png") == 0
    assert (run / "samples" / "energies.csv").is_file()


def test_masked_pixels_are_sampled_and_the_others_stay(run, photos, tmp_path, capsys):
    out = tmp_path / "out"
    (photos / "aa.png").write_bytes(b"no picture")
    assert ask(run=run, inpaint=photos, mask="right", out=out, seed=3) == 0
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.png")) == ["a.png", "b.png", "deep/c.png"]
    model, known = lightning_gans.load_generator(run), torch.arange(SIZE) < SIZE // 2
    x = pictures(photos, *NAMES)
    completed = to_uint8(model.inpaint(x, known, seed=3)).numpy()
    for name, shown, expected in zip(NAMES, to_uint8(x).numpy(), completed, strict=True):
        made = np.array(Image.open((out / name).with_suffix(".png")))
        assert np.array_equal(made, expected[0])
        assert np.array_equal(made[:, : SIZE // 2], shown[0, :, : SIZE // 2])
        assert not np.array_equal(made, shown[0])
    assert "3 images of" in (said := capsys.readouterr().out)
    assert "1 of 4 skipped: " in said
    before = (out / "a.png").read_bytes()
    assert ask(run=run, inpaint=photos, mask="right", out=out, seed=3) == 0  # its own files may be written again
    assert (out / "a.png").read_bytes() == before
    assert ask(run=run, inpaint=photos, mask="right", out=tmp_path / "other", seed=4) == 0
    assert (tmp_path / "other" / "a.png").read_bytes() != before


def test_masks():
    parts = {part: masked(part, 6) for part in ("left", "right", "top", "bottom", "centre")}
    assert torch.equal(parts["left"], ~parts["right"])
    assert torch.equal(parts["top"], ~parts["bottom"])
    assert torch.equal(parts["left"], parts["top"].T)
    assert parts["left"][:, :3].all()
    assert parts["centre"].sum() == 16
    assert parts["centre"][1:5, 1:5].all()


def test_white_is_masked_in_a_file(tmp_path):
    drawn = np.zeros((16, 24), np.uint8)
    drawn[:8, 4:12] = 255
    Image.fromarray(drawn).save(tmp_path / "mask.png")
    found = masked(tmp_path / "mask.png", 8)  # of the centre square, as of images
    assert found[:4, :4].all()
    assert found.sum() == 16


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mask": None}, "say mask=left, right, top, bottom, centre, or FILE.png"),
        ({"mask": "center"}, r"Did you mean mask=centre\?"),
        ({"mask": "black.png"}, r"mask=black\.png: no pixel of 8 x 8 is masked"),
        ({"mask": "white.png"}, r"mask=white\.png: every pixel of 8 x 8 is masked"),
        ({"mask": "torn.png"}, r"mask=torn\.png is not an image"),
        ({"out": None}, "inpaint=photos needs a place: say out=FOLDER"),
        ({"out": "photos/there"}, "among the images"),
        ({"out": "run"}, "holds 3 other files"),
        ({"out": "torn.png"}, "is a file"),
        ({"inpaint": None, "out": None}, "mask=left goes with inpaint=FOLDER"),
        ({"inpaint": "torn.png"}, "inpaint=: none of 1 images could be read"),
        ({"n": 3}, "each to a PNG in out=. Leave n=3 out"),
        ({"inpaint": None, "mask": None, "score": "photos", "out": "a.txt"}, r"say out=a\.csv"),
        ({"inpaint": None, "mask": None, "score": "photos", "out": "a.csv", "seed": 3}, "Leave seed=3 out"),
        ({"run": "dann"}, "inpaint=: the DomainModel of run=dann .* Name a run of variant=energy"),
        ({"run": "dann", "inpaint": None, "mask": None, "score": "photos", "out": "a.csv"}, "DomainModel .* no energy"),
        ({"run": "points"}, r"inpaint= takes images, and the model of run=points takes samples of shape \(2,\)"),
        (
            {"run": "points", "inpaint": None, "mask": None, "score": "photos", "out": "a.csv"},
            r"score= takes images, .* of shape \(2,\)",
        ),
    ],
)
def test_slips_are_answered(run, photos, tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    export(tmp_path / "dann", "dann")
    export(tmp_path / "points", "energy", "data=ring")
    for name, value in (("black", 0), ("white", 255)):
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "torn.png").write_bytes(b"no picture")
    asked = {"run": "run", "inpaint": "photos", "mask": "left", "out": "out"} | given
    with pytest.raises(UserError, match=said):
        ask(**{key: value for key, value in asked.items() if value is not None})
    assert not (tmp_path / "out").exists()
