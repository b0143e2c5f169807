"""MNIST-M from a folder of photographs, here each of one grey."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import MNISTM
from datamodules.vision import Vision
from lightning_gans.core.errors import UserError
from tests.datamodules.test_vision import write_idx


@pytest.fixture
def root(tmp_path):
    write_idx(tmp_path / "MNIST" / "raw")
    return tmp_path


def photographs(folder, count, *, size=40):
    folder.mkdir(parents=True, exist_ok=True)
    for grey in range(count):
        Image.fromarray(np.full((size, size, 3), grey, dtype=np.uint8)).save(folder / f"{grey}.png")
    return folder


def made(root, photos, **settings):
    return MNISTM(photos=str(photos), root=str(root), download=False, **settings)


def greys(data, split):
    """Indices of the photographs that the images of a split were blended with."""
    digits = Vision(name="mnist", root=str(data.digits.root), image_size=28, channels=3).sources[split].x.int()
    x = data.sources[split].x.int()
    assert x.shape == digits.shape
    assert torch.equal(data.sources[split].labels, data.digits.sources[split].labels)
    found = set()
    for image, digit in zip(x, digits, strict=True):
        fitting = [grey for grey in range(40) if torch.equal((grey - digit).abs(), image)]
        assert fitting
        found.add(fitting[0])
    return found


def test_every_digit_is_blended_with_a_patch_and_no_photograph_is_in_two_splits(root):
    data = made(root, photographs(root / "photos", 40))
    seen = [greys(data, split) for split in ("train", "validation", "test")]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]
    again = made(root, root / "photos")
    assert torch.equal(again.sources["test"].x, data.sources["test"].x)
    assert again.fingerprint == data.fingerprint


def test_folders_of_photographs_are_the_splits(root):
    for split, photo in (("train", 3), ("val", 7), ("test", 11)):
        folder = root / "photos" / split
        folder.mkdir(parents=True)
        Image.fromarray(np.full((28, 30, 3), photo, dtype=np.uint8)).save(folder / "only.png")
    data = made(root, root / "photos")
    assert [greys(data, split) for split in ("train", "validation", "test")] == [{3}, {7}, {11}]


def test_other_photographs_are_other_data(root):
    first = made(root, photographs(root / "a", 10))
    assert made(root, photographs(root / "b", 11)).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    "photos, said", [("nowhere", "is not a folder"), ("empty", "no image file"), ("two", "holds 2")]
)
def test_a_folder_without_enough_photographs_is_refused(root, photos, said):
    (root / "empty").mkdir()
    photographs(root / "two", 2)
    with pytest.raises(UserError, match=said):
        made(root, root / photos).setup()


def test_photographs_smaller_than_a_patch_are_refused(root):
    with pytest.raises(UserError, match=r"no photograph of the \w+ split is 28 pixels"):
        made(root, photographs(root / "small", 10, size=20)).setup()


def test_a_damaged_photograph_is_named(root):
    folder = photographs(root / "photos", 10)
    (folder / "bad.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"1 photograph cannot be read: bad\.png .*data\.on_bad_file=skip"):
        made(root, folder, on_bad_file="error").setup()


def test_a_damaged_photograph_is_named_and_skipped_also_from_a_cache(root, monkeypatch):
    monkeypatch.setattr("datamodules.cache.WORTH", -1.0)
    folder = photographs(root / "photos", 10)
    (folder / "bad.png").write_bytes(b"no picture")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"1 photograph cannot be read: bad\.png"):
            made(root, folder).setup()


def test_damaged_photographs_alone_are_refused(root):
    for split in ("train", "val", "test"):
        (root / "photos" / split).mkdir(parents=True)
        (root / "photos" / split / "bad.png").write_bytes(b"no picture")
    with (
        pytest.warns(UserWarning, match=r"train/bad\.png"),
        pytest.raises(UserError, match="the size of a patch, and can be read"),
    ):
        made(root, root / "photos").setup()


def test_without_photographs_it_says_what_to_type():
    with pytest.raises(UserError, match=r"data\.photos=null: .* data\.photos=DIR"):
        MNISTM(root="nowhere").setup()
