"""Two domains: halves of the digits, sets, folders, and what is missing."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Digits, DigitsTextured, DigitsUnpaired, Unpaired
from lightning_gans.core.batches import UnpairedBatch
from lightning_gans.core.errors import UserError


def paint(path, value, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value, np.uint8)).convert(mode).save(path)


def values(split):
    return sorted(int(v) for batch in split.batches(100) for v in ((batch.x[:, 0, 0, 0] + 1) * 127.5).round())


def rows(x):
    return {tuple(row) for row in x.flatten(1).tolist()}


@pytest.fixture(scope="module")
def digits():
    return DigitsUnpaired(batch_size=8, image_size=8, channels=1)


def test_the_training_digits_are_divided(digits):
    whole, textured = Digits(image_size=8), DigitsTextured(image_size=8, channels=1)
    a, b = digits.parts["a"].sources["train"], digits.parts["b"].sources["train"]
    everything, blended = whole.sources["train"], textured.sources["train"]
    assert torch.equal(a.x, everything.x[::2])
    assert torch.equal(b.x, blended.x[1::2])
    assert torch.equal(b.labels, everything.labels[1::2])
    assert not rows(a.x) & rows(everything.x[1::2])
    assert torch.equal(digits.parts["a"].sources["test"].x, whole.sources["test"].x)
    assert len(digits.domains["b"].split("train")) == len(a) + len(b) == 1437


def test_batches_are_of_both_and_drawn_apart(digits):
    (batch,) = digits.iteration_batches(3, 4)
    assert type(batch) is UnpairedBatch
    assert batch.a.shape == batch.b.shape == (8, 1, 8, 8)
    assert batch.a.min() >= -1
    assert batch.b.max() <= 1
    assert rows(batch.a) <= rows(digits.parts["a"].finish(digits.parts["a"].sources["train"].x))
    same = DigitsUnpaired(batch_size=8, image_size=8, channels=1)
    pair = [list(part.iteration_batches(3, 4)) for part in same.parts.values()]
    assert not torch.equal(pair[0][0].label, pair[1][0].label) or not torch.equal(pair[0][0].x, batch.a)
    labels = [
        torch.cat([found.label for found in part.iteration_batches(0, 60, seed=seed)])
        for part, seed in zip(digits.parts.values(), (1, 2), strict=True)
    ]
    assert (labels[0] == labels[1]).float().mean() < 0.2


def test_they_have_ten_classes_and_a_fingerprint_of_their_own(digits):
    assert digits.classes == tuple("0123456789")
    prints = {digits.fingerprint, *(part.fingerprint for part in digits.parts.values())}
    prints |= {part.fingerprint for part in digits.domains.values()}
    assert len(prints) == 5


def test_on_darker_photographs_every_digit_is_lighter():
    whole, dimmed = DigitsTextured(image_size=8), DigitsUnpaired(image_size=8, brightness=0.5)
    ink = Digits(image_size=8, channels=3).sources["train"].x
    x, bright = dimmed.domains["b"].sources["train"].x, whole.sources["train"].x
    assert x[ink == 255].min() >= 127
    assert x[ink == 0].max() <= 128
    assert bright[ink == 255].min() < 50
    faded = DigitsUnpaired(image_size=8, brightness=0.5, contrast=0.2).domains["b"]
    assert (faded.sources["train"].x - (127.5 + (x - 127.5) * 0.2)).abs().max() <= 0.5
    assert len({data.fingerprint for data in (whole, dimmed.domains["b"], faded)}) == 3
    assert DigitsUnpaired(image_size=8).domains["b"].fingerprint == whole.fingerprint
    with pytest.raises(UserError, match=r"brightness=1\.5"):
        DigitsUnpaired(brightness=1.5)


@pytest.fixture
def both(tmp_path):
    """Values 0 and on in A, 100 and on in B; as trainA, trainB, testA, testB."""
    for letter, first in (("A", 0), ("B", 100)):
        for i in range(20):
            paint(tmp_path / f"train{letter}" / f"{i}.png", first + i, "RGB")
        for i in range(20, 25):
            paint(tmp_path / f"test{letter}" / f"{i}.png", first + i, "RGB")
    paint(tmp_path / "notes" / "cover.png", 255)
    return tmp_path


def of_root(root, **settings):
    return Unpaired(root=str(root), image_size=8, **settings)


def test_one_folder_with_the_authors_layout(both):
    data = of_root(both)
    data.setup()
    for domain, first in (("a", 0), ("b", 100)):
        part = data.parts[domain]
        assert values(part.split("test")) == list(range(first + 20, first + 25))
        held, train = values(part.split("validation")), values(part.split("train"))
        assert sorted(held + train) == list(range(first, first + 20))
        assert held
    (batch,) = data.iteration_batches(0, 1)
    assert batch.a.max() < -0.8 < batch.b.min()
    assert batch.a.shape == (1, 3, 8, 8)


def test_two_folders_and_a_set(both):
    folders = Unpaired(a=str(both / "trainA"), b=str(both / "trainB"), image_size=8, channels=1)
    folders.setup()
    assert set(values(folders.parts["b"].split("train"))) <= set(range(100, 120))
    mixed = Unpaired(a="digits", b=str(both / "trainB"), image_size=8, channels=1)
    mixed.setup()
    assert len(mixed.parts["a"].split("train")) == 1437
    assert mixed.classes is None


def test_training_images_are_mirrored_where_asked(tmp_path):
    for letter, bright in (("A", 255), ("B", 200)):
        half = np.zeros((8, 8), np.uint8)
        half[:, :4] = bright
        (tmp_path / f"train{letter}").mkdir()
        for i in range(6):
            Image.fromarray(half).save(tmp_path / f"train{letter}" / f"{i}.png")

    def left(flip):
        data = Unpaired(root=str(tmp_path), image_size=8, channels=1, batch_size=4, horizontal_flip=flip)
        batches = list(data.iteration_batches(0, 20))
        return [torch.cat([batch[i] for batch in batches])[:, 0, 0, 0] > 0 for i in (0, 1)]

    for found in left(flip=True):
        assert 0.3 < found.float().mean() < 0.7
    assert all(found.all() for found in left(flip=False))


@pytest.mark.parametrize(
    "settings, said",
    [
        ({}, "data.a and data.b are not given"),
        ({"a": "digits"}, "data.b is not given"),
        ({"b": "digits"}, "data.a is not given"),
        ({"root": "x", "a": "digits"}, "Keep the one or the others"),
    ],
)
def test_a_missing_domain_is_refused_at_once(settings, said):
    with pytest.raises(UserError, match=said):
        Unpaired(**settings)


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"a": "digits", "b": "digitz"}, "data.b=digitz is neither a folder nor a set"),
        ({"a": "ring", "b": "digits"}, "data.a=ring"),
        ({"a": "digits", "b": "digits"}, "the same images"),
        ({"root": "nowhere"}, "data.root=nowhere is not a folder"),
    ],
)
def test_what_is_no_domain_is_refused_before_training(settings, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        Unpaired(image_size=8, **settings).setup()


def test_an_empty_domain_is_refused(both, tmp_path):
    for path in (both / "trainB").iterdir():
        path.unlink()
    with pytest.raises(UserError, match=r"no images in a folder trainB; it holds notes, testA, testB, trainA, trainB"):
        of_root(both).setup()
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no image file"):
        Unpaired(a="digits", b=str(tmp_path / "empty"), image_size=8).setup()


def test_files_are_cropped_at_random_for_training_and_resized_to_be_judged(tmp_path):
    ramp = np.tile(np.arange(0, 200, 20, dtype=np.uint8), (10, 1))  # of the column alone
    for side, picture in (("trainA", ramp), ("trainB", ramp.T)):
        for number in range(3):
            path = tmp_path / side / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture).save(path)
    settings = {"root": tmp_path, "image_size": 8, "channels": 1, "horizontal_flip": False, "batch_size": 4}
    data = Unpaired(load_size=10, **settings)
    batches = list(data.iteration_batches(0, 8))
    columns = {tuple(((row[0, 0] + 1) * 127.5).round().int().tolist()) for batch in batches for row in batch.a}
    assert columns == {tuple(range(20 * left, 20 * left + 160, 20)) for left in range(3)}  # each of three places
    assert [tuple(b.a.shape) for b in batches[:1]] == [(4, 1, 8, 8)]
    shared = [bool((a[0, 0] == b[0, :, 0]).all()) for batch in batches for a, b in zip(batch.a, batch.b, strict=True)]
    assert 0 < sum(shared) < len(shared)  # places of A and B are drawn apart
    (again,) = Unpaired(load_size=10, **settings).iteration_batches(5, 6)
    assert torch.equal(again.a, batches[5].a)
    half = [next(iter(data.iteration_batches(5, 6, rank=rank, world=2))).a for rank in (0, 1)]
    assert torch.equal(torch.cat(half), batches[5].a)
    held = data.parts["a"].split("train").batches(9)
    assert next(iter(held)).x.shape == (1, 1, 8, 8)
    assert data.parts["a"].fingerprint != Unpaired(**settings).parts["a"].fingerprint
    with pytest.raises(UserError, match=r"data\.load_size=7 does not fit"):
        Unpaired(load_size=7, **settings)


def test_a_set_is_not_cropped():
    with pytest.raises(UserError, match=r"data\.load_size=40 resizes files, and data\.a=digits is a set"):
        _ = Unpaired(a="digits", b="digits_textured", image_size=32, load_size=40).parts


def test_domains_may_have_different_channels(tmp_path):
    for side in "AB":
        paint(tmp_path / f"train{side}" / "0.png", 100, "RGB")
    (batch,) = Unpaired(root=tmp_path, image_size=8, channels=3, channels_b=1).iteration_batches(0, 1)
    assert (batch.a.shape[1], batch.b.shape[1]) == (3, 1)
