import pytest
import torch

from datamodules import Digits, DigitsTextured
from datamodules.named import image_data
from datamodules.textured import blend, strip
from lightning_gans.core.errors import UserError


def test_a_blend_is_the_distance_of_patch_and_digit():
    ramp = torch.arange(100, dtype=torch.uint8).expand(3, 100, 100).contiguous()  # a column is one grey
    images = torch.zeros(50, 3, 8, 8, dtype=torch.uint8)
    images[:, :, 4:] = 255
    found = blend(images, [ramp], "test").int()
    assert torch.equal(found[:, :, 4:], 255 - found[:, :, :4])
    lefts = found[:, 0, 0, 0]
    assert torch.equal(found[:, :, 0], (lefts[:, None] + torch.arange(8))[:, None].expand(-1, 3, -1))
    assert lefts.min() >= 0
    assert lefts.max() <= 92
    assert lefts.unique().numel() > 20


def test_the_digits_are_those_of_digits_and_keep_their_patches():
    textured, plain = DigitsTextured(image_size=16), Digits(image_size=16)
    for split in ("train", "validation", "test"):
        assert torch.equal(textured.split(split).labels, plain.split(split).labels)
    x = next(textured.split("test").batches(180)).x
    assert x.shape == (180, 3, 16, 16)
    assert torch.equal(x, next(DigitsTextured(image_size=16).split("test").batches(180)).x)
    assert len(x.flatten(1).unique(dim=0)) == 180
    assert textured.fingerprint != plain.fingerprint
    assert DigitsTextured(image_size=8, channels=1).sources["train"].x.shape == (1437, 1, 8, 8)


def test_no_two_splits_see_the_same_part_of_a_photograph():
    photo = torch.arange(10).expand(3, 4, 10)
    parts = [strip(photo, *edges)[0, 0].tolist() for edges in ((0, 0.6), (0.6, 0.8), (0.8, 1))]
    assert [column for part in parts for column in part] == list(range(10))


def test_a_word_is_a_set_or_a_folder(tmp_path):
    shape = {"batch_size": 4, "image_size": 8, "channels": 1, "data_dir": "nowhere"}
    assert isinstance(image_data("digits", key="a", **shape), Digits)
    assert image_data("digits_textured", key="a", **shape).sample_shape == (1, 8, 8)
    assert image_data("mnist", key="a", **shape).name == "mnist"
    assert image_data(str(tmp_path), key="a", **shape).root == tmp_path
    with pytest.raises(UserError, match=r"data\.b=nothing_there is neither a folder nor a set of images \(digits, "):
        image_data("nothing_there", key="b", **shape)
    with pytest.raises(UserError, match=r"data\.b=ring: that are no images"):
        image_data("ring", key="b", **shape)
