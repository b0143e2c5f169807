"""A quick look at folders of images, before torch is imported."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from datamodules import Folder
from datamodules.survey import FolderFacts, describe, natural


def paint(path, shape=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(shape, np.uint8)).save(path)


@pytest.mark.parametrize(
    "names",
    [
        ["1", "2", "10", "20"],
        ["0", "00", "1", "01", "x"],
        ["a2", "a2b", "a10", "b"],
        ["-1", "a-1", "a1", "a1 b", "ab"],
        ["Cats", "cats", "dogs"],
        ["1" * 250, "2" * 250],
    ],
)
def test_numbers_in_names_are_sorted_by_value(names):
    for order in itertools.permutations(names):
        assert sorted(order, key=natural) == sorted(names, key=natural)
    if names[0] != "0":
        assert sorted(names, key=natural) == names


def test_names_of_equally_long_numbers_are_sorted_as_text():
    names = ["n01440764", "n01443537", "a-1", "a1", "a 1", "ab", "A", "é", "a:", "a/", "", "07", "12", "x07y", "x12"]
    assert sorted(names, key=natural) == sorted(names)


def test_a_quick_look(tmp_path):
    for value in range(6):
        paint(tmp_path / "train" / ("2" if value % 2 else "10") / f"{value}.png", (10 + value, 30))
    paint(tmp_path / "val" / "2" / "a.png", (10, 30))
    assert describe(tmp_path) == FolderFacts(7, ("2", "10"), (30, 12), True, None)
    Image.new("RGB", (64, 64)).save(tmp_path / "val" / "2" / "b.png")
    assert not describe(str(tmp_path)).grey
    paint(tmp_path / "train" / "loose.png")
    assert describe(tmp_path).classes == ()
    assert describe(tmp_path).stray == "train/loose.png"


def test_a_turned_photograph_is_measured_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    (tmp_path / "b.png").write_text("no image")
    assert describe(tmp_path) == FolderFacts(2, (), (20, 30), False, None)


def test_a_folder_without_images_has_none(tmp_path):
    nothing = FolderFacts(0, (), (0, 0), False, None)
    assert describe(tmp_path) == describe(tmp_path / "nowhere") == nothing
    (tmp_path / "only").mkdir()
    paint(tmp_path / "only" / "a.png")
    assert describe(tmp_path)[:2] == (1, ())


def test_labels_follow_the_natural_order_of_class_folders(tmp_path):
    for name in ("1", "2", "10", "20"):
        for value in range(3):
            path = tmp_path / name / f"{value}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(np.full((8, 8), int(name), np.uint8)).save(path)
    data = Folder(root=str(tmp_path), image_size=8, channels=1, validation_share=0, test_share=0)
    assert data.classes == ("1", "2", "10", "20")
    train = data.sources["train"]
    assert [int(data.classes[label]) for label in train.labels] == train.x[:, 0, 0, 0].tolist()


@pytest.mark.parametrize("names", [("1", "2"), ("2", "10")])
def test_caches_hold_labels_in_one_order(tmp_path, monkeypatch, names):
    for name in names:
        paint(tmp_path / name / "0.png")
    now = Folder(root=str(tmp_path), image_size=8, channels=1)
    assert now.classes == names
    with monkeypatch.context() as patch:
        patch.setattr("datamodules.survey.natural", str)
        before = Folder(root=str(tmp_path), image_size=8, channels=1)
        assert (before.fingerprint == now.fingerprint) == (before.classes == now.classes) == (names == ("1", "2"))


def test_no_torch():
    code = "import sys, datamodules.survey; assert not {'torch', 'numpy', 'hydra'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", code], check=True)
