"""Lines on what was found in a user's images."""

import numpy as np
import pytest
from PIL import Image

from datamodules import Digits, Domains, Folder, Unpaired
from datamodules.findings import listed
from lightning_gans.core.errors import UserError


def paint(path, size=(16, 16), value=None):
    """A file of noise, or of one grey."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, size[::-1], np.uint8)
    Image.fromarray(noise if value is None else np.full_like(noise, value)).save(path)


def noted(root, **settings):
    data = Folder(root=str(root), **{"image_size": 8, "channels": 1, "workers": 0, "batch_size": 2, **settings})
    data.setup()
    return data.notes()


@pytest.fixture
def ten(tmp_path):
    for number in range(8):
        paint(tmp_path / "train" / f"{number}.png")
    for name in ("val", "test"):
        paint(tmp_path / name / f"{name}.png")
    return tmp_path


def test_what_does_not_surprise_is_a_line(ten):
    assert noted(ten) == ["8 training, 1 validation, 1 test images, no classes"]
    assert Digits(image_size=8).notes() == []


def test_classes_are_counted(tmp_path):
    for name, count in (("1", 4), ("2", 5), ("10", 6)):
        for number in range(count):
            paint(tmp_path / name / f"{number}.png")
    shares = {"validation_share": 0, "test_share": 0}
    assert noted(tmp_path, **shares) == [
        "15 training, 0 validation, 0 test images, 3 classes: 1 (4), 2 (5), 10 (6)",
    ]
    paint(tmp_path / "val" / "1" / "a.png")
    (tmp_path / "train").mkdir()
    for name in ("1", "2"):
        (tmp_path / name).rename(tmp_path / "train" / name)
    (tmp_path / "10").rename(tmp_path / "val" / "10")
    assert noted(tmp_path, **shares) == [
        "9 training, 7 validation, 0 test images, 3 classes: 1 (5), 2 (5), 10 (6)",
        "1 classes have no training image: 10",
    ]


def test_lines_are_short():
    names = [f"class{number}" for number in range(50)]
    line = listed("50 classes", names)
    assert line == f"50 classes: {', '.join(names[:12])}, ..."
    assert len(listed("50 classes", [name * 4 for name in names])) < 140
    assert listed("none", []) == "none: "


def test_crops_and_enlargements_are_told_of(ten):
    paint(ten / "train" / "panorama.png", (3000, 40))
    paint(ten / "train" / "tiny.png", (5, 4))
    paint(ten / "train" / "mild.png", (20, 16))
    notes = noted(ten)
    assert notes[1:] == [
        "1 of 13 images lose more than a quarter of their area to the square centre crop; the most: "
        "train/panorama.png (3000x40), 99%",
        "1 of 13 images are enlarged to data.image_size=8; the smallest: train/tiny.png (5x4)",
    ]
    assert max(map(len, notes)) <= 140


@pytest.mark.parametrize("in_memory", [True, False])
def test_sizes_are_known_however_pixels_are_held(ten, monkeypatch, in_memory):
    monkeypatch.setattr("datamodules.cache.WORTH", -1.0)
    paint(ten / "train" / "tiny.png", (5, 4))
    for _ in range(2):
        assert "tiny.png (5x4)" in noted(ten, in_memory=in_memory)[1]


def test_of_many_images_some_are_looked_at(ten, monkeypatch):
    monkeypatch.setattr("datamodules.findings.LOOKED_AT", 4)
    assert "4 of 4 images looked at are enlarged" in noted(ten, image_size=32)[1]


def test_images_of_one_colour_are_told_of(ten):
    for number in range(10, 20):
        paint(ten / "train" / f"{number}.png", value=number)
    (ten / "train" / "bad.png").write_bytes(b"no image")  # names stay those of the images
    with pytest.warns(UserWarning, match=r"bad\.png"):
        notes = noted(ten)
    assert notes[1:] == [
        f"10 of 18 training images have one colour: {', '.join(f'train/{number}.png' for number in range(10, 16))}, ..."
    ]


def test_repetition_in_a_batch_is_told_of(ten):
    assert noted(ten, batch_size=64)[1:] == [
        "data.batch_size=64 is more than the 8 training images: a batch holds each of them about 8 times"
    ]
    assert noted(ten, batch_size=9)[-1].endswith("once or twice")


def test_ignored_class_folders_are_told_of(tmp_path):
    for name in ("cats/0.png", "cats/1.png", "cats/2.png", "dogs/0.png", "readme.png"):
        paint(tmp_path / name)
    assert noted(tmp_path)[1:] == ["class folders are ignored: readme.png lies beside them"]
    data = Folder(root=str(tmp_path), image_size=8)
    assert data.why_unlabelled.endswith(
        f"in data.root={tmp_path}, readme.png lies beside the folders cats, dogs. Move it into one of these or out."
    )
    paint(tmp_path / "second.png")
    assert noted(tmp_path)[1] == "class folders are ignored: readme.png and 1 more images lie beside them"
    assert "readme.png and 1 more lie beside" in Folder(root=str(tmp_path), image_size=8).why_unlabelled
    with pytest.raises(
        UserError, match=r"data.source=.* has no labels.* readme\.png and 1 more lie beside the folders"
    ):
        Domains(source=str(tmp_path), target=str(tmp_path), image_size=8, channels=1).setup()
    for name in ("readme.png", "second.png"):
        (tmp_path / name).unlink()
    assert Folder(root=str(tmp_path), image_size=8).why_unlabelled == ""


def test_a_single_class_folder_is_told_of(tmp_path):
    for number in range(4):
        paint(tmp_path / "only" / f"{number}.png")
    assert noted(tmp_path)[1:] == ["the only class folder, only, is ignored: labels need two"]
    why = Folder(root=str(tmp_path), image_size=8).why_unlabelled
    assert why.startswith("Images have labels if all of them lie in class folders, and there are at least two of these")
    assert why.endswith(f"in data.root={tmp_path} there is only only.")
    assert Folder(root=str(tmp_path / "only"), image_size=8).why_unlabelled.endswith("only there are none.")


def test_both_domains_are_told_of(tmp_path):
    for letter in "AB":
        for number in range(4):
            paint(tmp_path / f"train{letter}" / f"{number}.png")
    data = Unpaired(root=str(tmp_path), image_size=8, channels=1, batch_size=1)
    data.setup()
    assert data.notes() == [f"{name}: 2 training, 1 validation, 1 test images, no classes" for name in "ab"]


def test_folders_of_two_domains_take_the_settings_of_files(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(4):
            values = np.full((8, 8), 1000 * number, np.uint16)
            Image.fromarray(values + (name == "b")).save(tmp_path / name / f"{number}.png")
    settings = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b"), "image_size": 8, "channels": 1}
    with pytest.warns(UserWarning, match=r"Say data\.white=4095") as caught:
        Unpaired(**settings).setup()
    assert [str(one.message).partition("=")[0] for one in caught] == ["data.a", "data.b"]
    data = Unpaired(**settings, white=3001)
    data.setup()
    assert max(int(source.x.max()) for source in data.parts["b"].sources.values()) == 255
    (tmp_path / "b" / "bad.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"bad\.png"):
        Unpaired(**settings, white=3001, on_bad_file="error").setup()
