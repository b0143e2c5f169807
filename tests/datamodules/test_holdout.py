"""`holdout`: how many images the validation split has, and that all others train."""

import pytest
from PIL import Image

from datamodules import Digits, DigitsShifted, DigitsTextured, Folder
from lightning_gans.core.errors import UserError
from tests.datamodules.test_vision import vision, write_idx


def counts(data):
    return [len(data.split(name)) for name in ("train", "validation", "test")]


@pytest.mark.parametrize("kind", [Digits, DigitsShifted, DigitsTextured])
def test_digits(kind):
    assert counts(kind(image_size=8)) == [1437, 180, 180]
    everything = kind(image_size=8, holdout=0)
    assert counts(everything) == [1617, 0, 180]
    assert everything.split("validation").labels.tolist() == []
    assert list(everything.split("validation").batches(8)) == []
    assert next(everything.iteration_batches(0, 1)).x.shape[0] == 64
    assert counts(kind(image_size=8, holdout=100)) == [1517, 100, 180]
    fingerprints = {kind(image_size=8, holdout=n).fingerprint for n in (None, 0, 100)}
    assert len(fingerprints) == 3


def test_sets_with_an_official_training_set(tmp_path):
    write_idx(tmp_path)
    assert counts(vision("mnist", tmp_path)) == [48, 12, 20]
    assert counts(vision("mnist", tmp_path, holdout=0)) == [60, 0, 20]
    assert counts(vision("mnist", tmp_path, holdout=50)) == [10, 50, 20]
    assert vision("mnist", tmp_path, holdout=0).fingerprint != vision("mnist", tmp_path).fingerprint
    with pytest.raises(UserError, match=r"data\.holdout=60 leaves nothing to train on: there are 60 training images"):
        counts(vision("mnist", tmp_path, holdout=60))


def test_celeba_and_its_official_validation_images(tmp_path):
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for number in (1, 2, 162_771, 182_637, 182_638):
        Image.new("RGB", (178, 218), (number % 256, 0, 0)).save(folder / f"{number:06}.png")
    data = {n: vision("celeba", tmp_path, image_size=64, channels=3, workers=0, holdout=n) for n in (None, 0, 1)}
    assert {n: counts(found) for n, found in data.items()} == {None: [2, 2, 1], 0: [2, 0, 1], 1: [2, 1, 1]}


@pytest.fixture
def photos(tmp_path):
    for n in range(20):
        Image.new("RGB", (8, 8), (n, 0, 0)).save(tmp_path / f"{n}.png")
    return tmp_path


def test_folders(photos):
    usual = Folder(root=photos, image_size=8)
    none, seven = (Folder(root=photos, image_size=8, holdout=n) for n in (0, 7))
    assert counts(none) == [20 - len(none.split("test")), 0, len(none.split("test"))]
    assert counts(seven)[1] == 7
    assert sum(counts(seven)) == sum(counts(usual)) == 20
    assert counts(Folder(root=photos, image_size=8, holdout=0, test_share=0.0)) == [20, 0, 0]
    assert none.fingerprint != usual.fingerprint
    with pytest.raises(UserError, match=r"data\.holdout=20 leaves nothing to train on"):
        counts(Folder(root=photos, image_size=8, holdout=20))


def test_folders_with_a_folder_of_validation_images(photos):
    for name, rows in {"val": range(4), "train": range(4, 20)}.items():
        (photos / name).mkdir()
        for n in rows:
            (photos / f"{n}.png").rename(photos / name / f"{n}.png")
    assert counts(Folder(root=photos, image_size=8, test_share=0.0)) == [16, 4, 0]
    assert counts(Folder(root=photos, image_size=8, test_share=0.0, holdout=0)) == [16, 0, 0]
    assert counts(Folder(root=photos, image_size=8, test_share=0.0, holdout=3)) == [16, 3, 0]


def test_digits_of_before_have_the_fingerprint_of_before():
    """Caches and the names of runs' data stay as they are where holdout is not given."""
    assert Digits(image_size=8).fingerprint == BEFORE


BEFORE = "55a21a489d0876a05ac7f2d96d4af61edbb0416aafc44ad062186f398438441f"
