"""Images in pairs: the embedded ones, folders A/ and B/, and halves of one picture."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Digits, DigitsEdges, DigitsHalves, Paired, PhotosGrey
from lightning_gans.core.batches import PairedBatch
from lightning_gans.core.errors import UserError


def paint(path, *values, size=16):
    """A picture of squares side by side, each of one grey value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    row = np.concatenate([np.full((size, size), value, np.uint8) for value in values], 1)
    Image.fromarray(row).save(path)


def values(part, split="train"):
    return [int(v) for batch in part.split(split).batches(100) for v in ((batch.x[:, 0, 2, 2] + 1) * 127.5).round()]


@pytest.mark.parametrize("make", [DigitsEdges, DigitsHalves])
def test_inputs_are_made_of_the_digits(make):
    data, digits = make(image_size=16), Digits(image_size=16)
    for split in ("train", "validation", "test"):
        b = data.parts["b"].split(split)
        assert torch.equal(next(b.batches(50)).x, next(digits.split(split).batches(50)).x)
        assert torch.equal(b.labels, digits.split(split).labels)
        assert torch.equal(data.parts["a"].split(split).labels, b.labels)
    assert data.classes == tuple("0123456789")
    assert len({data.fingerprint, digits.fingerprint, *(part.fingerprint for part in data.parts.values())}) == 4


def test_an_outline_surrounds_the_digit():
    data = DigitsEdges(image_size=32)
    a, b = (next(data.parts[side].split("test").batches(180)).x for side in "ab")
    assert a.unique().tolist() == [-1, 1]
    assert (b[a == 1] <= 0).all()  # outside of what is brighter than mid-grey
    inside = b > 0
    assert (torch.nn.functional.max_pool2d((a == 1).float(), 3, 1, 1)[inside] == 1).float().mean() > 0.2


def test_half_of_a_digit_is_not_seen():
    data = DigitsHalves(image_size=16)
    a, b = (next(data.parts[side].split("test").batches(180)).x for side in "ab")
    assert torch.equal(a[..., :8], b[..., :8])
    assert (a[..., 8:].abs() < 0.01).all()


def test_a_grey_patch_is_that_of_its_colours():
    data = PhotosGrey(image_size=16)
    assert (data.input_channels, data.channels, data.sample_shape) == (1, 3, (4, 16, 16))
    a, b = (next(data.parts[side].split("test").batches(200)).x for side in "ab")
    luma = (b * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    assert (a - luma).abs().max() < 0.02
    train, test = (next(data.parts["b"].split(split).batches(200)).x.flatten(1) for split in ("train", "test"))
    assert torch.cdist(train, test).min() > 0.1


def test_a_batch_is_of_pairs_mirrored_together():
    data = PhotosGrey(batch_size=16, image_size=16)
    (batch,) = data.iteration_batches(3, 4)
    assert type(batch) is PairedBatch
    luma = (batch.b * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    assert (batch.a - luma).abs().max() < 0.02
    plain = next(PhotosGrey(batch_size=16, image_size=16, horizontal_flip=False).iteration_batches(3, 4))
    mirrored = [not torch.equal(x, y) for x, y in zip(batch.a, plain.a, strict=True)]
    assert 0 < sum(mirrored) < 16


@pytest.mark.parametrize("layout", ["{side}/{split}/{name}", "{split}/{side}/{name}"])
def test_files_of_equal_paths_are_a_pair(layout, tmp_path):
    for split, numbers in (("train", range(4)), ("val", [4]), ("test", [5])):
        for number in numbers:
            for side, ending, add in (("A", "png", 0), ("B", "bmp", 100)):
                name = f"{number}.{ending}"
                paint(tmp_path / layout.format(side=side, split=split, name=name), 10 * number + add)
    paint(tmp_path / layout.format(side="A", split="train", name="alone.png"), 255)
    data = Paired(root=tmp_path, image_size=8, input_channels=1, channels=1)
    data.setup()
    assert values(data.parts["a"]) == [0, 10, 20, 30]
    assert values(data.parts["b"]) == [100, 110, 120, 130]
    assert (values(data.parts["a"], "validation"), values(data.parts["b"], "test")) == ([40], [150])
    assert any("alone.png" in note and "without a partner" in note for note in data.notes())
    other = Paired(root=tmp_path, image_size=8, input_channels=1, channels=1, direction="b2a")
    assert values(other.parts["a"]) == [100, 110, 120, 130]
    before = data.fingerprint
    assert other.fingerprint != before
    paint(tmp_path / layout.format(side="B", split="train", name="0.bmp"), 7)
    assert Paired(root=tmp_path, image_size=8, input_channels=1, channels=1).fingerprint != before


def test_halves_of_one_picture_are_a_pair(tmp_path):
    for number in range(8):
        paint(tmp_path / f"{number}.png", number, 100 + number)
    data = Paired(root=tmp_path, image_size=8, input_channels=1, channels=3, validation_share=0.2, test_share=0.2)
    data.setup()
    a, b = values(data.parts["a"]), values(data.parts["b"])
    assert [x + 100 for x in a] == b
    assert data.sample_shape == (4, 8, 8)
    assert next(data.parts["b"].split("train").batches(2)).x.shape[1] == 3


def test_what_is_no_pair_is_named(tmp_path, recwarn):
    paint(tmp_path / "square.png", 1)
    for number in range(4):
        paint(tmp_path / f"{number}.png", 1, 2)
    Paired(root=tmp_path, image_size=8).setup()
    assert "square.png" in str(recwarn.list[-1].message)
    folder = tmp_path / "sides"
    paint(folder / "A" / "1.png", 1)
    paint(folder / "B" / "2.png", 1)
    with pytest.raises(UserError, match="has no partner"):
        Paired(root=folder, image_size=8).setup()


def test_a_damaged_partner_leaves_its_pair_out(tmp_path, recwarn):
    for number in range(5):
        paint(tmp_path / "A" / f"{number}.png", 10 * number)
        paint(tmp_path / "B" / f"{number}.png", 10 * number + 1)
    (tmp_path / "B" / "2.png").write_bytes(b"no picture")
    data = Paired(root=tmp_path, image_size=8, input_channels=1, channels=1, validation_share=0, test_share=0)
    data.setup()
    assert values(data.parts["a"]) == [0, 10, 30, 40]
    assert values(data.parts["b"]) == [1, 11, 31, 41]
    assert "B/2.png" in str(recwarn.list[-1].message)


def test_both_sides_of_a_pair_are_cropped_at_one_place(tmp_path):
    noise = np.random.default_rng(0)
    for number in range(3):
        picture = noise.integers(0, 256, (10, 10), np.uint8)
        for side in "AB":
            path = tmp_path / side / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(picture).save(path)
    data = Paired(root=tmp_path, image_size=8, load_size=10, input_channels=1, channels=1, horizontal_flip=False)
    whole = data.sources["train"].x[:, :1]
    batches = list(data.iteration_batches(0, 20))
    assert all(torch.equal(batch.a, batch.b) and batch.a.shape == (4, 1, 8, 8) for batch in batches)
    crops = [((row + 1) * 127.5).round().to(torch.uint8) for batch in batches for row in batch.a]
    places = {
        (top, left)
        for crop in crops
        for top in range(3)
        for left in range(3)
        if any(torch.equal(crop, image[:, top : top + 8, left : left + 8]) for image in whole)
    }
    assert len(places) == 9
    assert next(data.parts["b"].split("validation").batches(1)).x.shape == (1, 1, 8, 8)
