import pytest
import torch

from datamodules import Digits
from lightning_gans.core.errors import UserError


@pytest.fixture(scope="module")
def digits():
    return Digits(image_size=16)


def test_the_splits_are_all_digits_once(digits):
    parts = {name: digits.split(name) for name in ("train", "validation", "test")}
    assert {name: len(split) for name, split in parts.items()} == {"train": 1437, "validation": 180, "test": 180}
    counts = sum(torch.bincount(split.labels) for split in parts.values())
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # of scikit-learn's whole set
    everything = torch.cat([batch.x for split in parts.values() for batch in split.batches(500)])
    assert len(everything.flatten(1).unique(dim=0)) == 1797  # so no image is in two splits


def test_batches_are_images_and_labels(digits):
    batch = next(digits.iteration_batches(0, 1))
    assert batch.x.shape == (64, *digits.sample_shape) == (64, 1, 16, 16)
    assert batch.x.dtype == torch.float32
    assert batch.label.dtype == torch.int64
    assert batch.x.min() == -1
    assert 0.9 < batch.x.max() <= 1
    assert digits.classes == tuple("0123456789")
    assert digits.modes is None


def test_eight_pixels_are_the_set_as_it_is():
    from sklearn.datasets import load_digits

    native = torch.from_numpy(load_digits().images).sum((1, 2)).sort().values
    ours = torch.cat([s.x for s in Digits(image_size=8).sources.values()]).double().sum((1, 2, 3)).sort().values
    torch.testing.assert_close(ours, native * 255 / 16, rtol=0, atol=0.5 * 64)
    assert (ours - native * 255 / 16).abs().max() > 0  # rounded to bytes


def test_three_channels_are_the_one_repeated():
    grey = next(Digits(image_size=8).iteration_batches(0, 1)).x
    colour = next(Digits(image_size=8, channels=3).iteration_batches(0, 1)).x
    assert torch.equal(colour, grey.expand(-1, 3, -1, -1))


def test_the_fingerprint_says_what_the_pixels_are():
    assert Digits(batch_size=8).fingerprint == Digits().fingerprint
    others = {Digits(image_size=16).fingerprint, Digits(channels=3).fingerprint, Digits().fingerprint}
    assert len(others) == 3
    assert all(len(fingerprint) == 64 for fingerprint in others)


@pytest.mark.parametrize("key, value", [("image_size", 30), ("image_size", "big"), ("channels", 2), ("batch_size", 0)])
def test_a_value_out_of_range_is_refused(key, value):
    with pytest.raises(UserError, match=rf"data\.{key}={value!r} does not fit"):
        Digits(**{key: value})
