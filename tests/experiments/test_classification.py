"""`experiments.sample classify=`: the class of each image of a folder."""

import csv
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

import lightning_gans
from datamodules.pixels import normalise, square
from experiments import sample
from lightning_gans.core.errors import UserError
from lightning_gans.models import build, save_generator
from tests.helpers.composed import composed

CLASSES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine, or so"]


@cache
def described(variant):
    return composed(variant)["variant"]["model"]


def export(folder, variant, **about):
    spec = described(variant)
    torch.manual_seed(0)
    save_generator(build(spec).eval(), spec, folder / "generator", about=about)
    return folder


def ask(**given):
    return sample.main([f"{key}={value}" for key, value in given.items()])


def rows(file):
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


@pytest.fixture
def photos(tmp_path):
    for number, name in enumerate(("a.png", "deep/b.jpg", "c.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (12, 15, 3), np.uint8)
        Image.fromarray(noise).save(path)
    (tmp_path / "photos" / ".hidden.png").write_bytes(b"no picture")
    (tmp_path / "photos" / "readme.txt").write_text("no image")
    return tmp_path / "photos"


@pytest.mark.parametrize("variant", ["triplegan", "dann", "dann_alternating"])
def test_each_image_has_its_class_and_probability(variant, photos, tmp_path, capsys):
    run = export(tmp_path / "run", variant, classes=CLASSES, iteration=1500)
    assert ask(run=run, classify=photos, out=tmp_path / "found.csv") == 0
    names = ["a.png", "c.png", "deep/b.jpg"]
    pictures = [Image.open(photos / name) for name in names]
    x = torch.stack([normalise(square(picture, size=8, channels=1)) for picture in pictures])
    probability = lightning_gans.load_generator(run).classify(x)
    found = rows(tmp_path / "found.csv")
    assert [row["path"] for row in found] == [str(photos / name) for name in names]
    assert [row["class"] for row in found] == [CLASSES[i] for i in probability.argmax(1).tolist()]
    assert [float(row["probability"]) for row in found] == pytest.approx(probability.max(1).values.tolist(), rel=1e-5)
    said = capsys.readouterr().out
    assert f"3 images of {photos} classified by {run} (iteration 1,500)" in said
    for row in found:
        assert f"{[other['class'] for other in found].count(row['class']):>6}  of class {row['class']}\n" in said


def test_one_image_a_class_without_a_name_and_no_place(photos, tmp_path):
    run = export(tmp_path / "run", "dann")
    assert ask(run=run, classify=photos / "a.png") == 0
    (row,) = rows(run / "samples" / "classes.csv")
    assert row["path"] == str(photos / "a.png")
    assert row["class"] in map(str, range(10))


def test_files_that_cannot_be_read_are_skipped_and_named(photos, tmp_path, capsys):
    run = export(tmp_path / "run", "dann")
    (photos / "torn.png").write_bytes((photos / "a.png").read_bytes()[:-200])
    assert ask(run=run, classify=photos, out=tmp_path / "found.csv") == 0
    assert len(rows(tmp_path / "found.csv")) == 3
    assert "1 of 4 skipped: " in (said := capsys.readouterr().out)
    assert "torn.png is not an image that can be read" in said
    with pytest.raises(UserError, match=r"classify=: none of 1 images could be read\. .*torn\.png"):
        ask(run=run, classify=photos / "torn.png", out=tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()


def test_names_of_any_bytes_are_written_as_they_are(photos, tmp_path):
    run = export(tmp_path / "run", "dann")
    name = b'\xff,"\n.png'.decode(errors="surrogateescape")
    (photos / "a.png").rename(photos / name)
    assert ask(run=run, classify=photos, out=tmp_path / "found.csv") == 0
    with (tmp_path / "found.csv").open(newline="", errors="surrogateescape") as text:
        assert str(photos / name) in [row["path"] for row in csv.DictReader(text)]


@pytest.mark.parametrize("variant", ["acgan", "energy", "irgan"])
def test_a_model_without_a_classifier_is_refused(variant, photos, tmp_path):
    run = export(tmp_path / "run", variant)
    with pytest.raises(UserError, match=r"has no classifier\. Name a run of variant=triplegan, dann or"):
        ask(run=run, classify=photos)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"classify": "photoz"}, "Did you mean photos"),
        ({"classify": "photos,photos"}, "name one image, or one folder"),
        ({"classify": "empty"}, "classify=empty holds no images"),
        ({"out": "found.txt"}, r"say out=found\.csv"),
        ({"out": "photos.csv"}, "is a folder"),
        ({"n": 3}, "names the class of each image, in a CSV file. Leave n=3 out"),
        ({"label": 3}, "Leave label=3 out"),
        ({"translate": "photos"}, "one of them at a time"),
        ({"classify": None}, "goes with translate=FOLDER, classify=FOLDER"),
    ],
)
def test_slips_are_answered(photos, tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    export(tmp_path / "run", "dann")
    for name in ("empty", "photos.csv"):
        (tmp_path / name).mkdir()
    asked = {"run": "run", "classify": "photos", "out": "found.csv"} | given
    with pytest.raises(UserError, match=said):
        ask(**{key: value for key, value in asked.items() if value is not None})


def test_a_classifier_alone_says_what_it_does(tmp_path):
    with pytest.raises(UserError, match="has nothing to sample: say classify=FOLDER"):
        ask(run=export(tmp_path / "run", "dann"), n=4)
