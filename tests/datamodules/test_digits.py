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


def test_dequantised_images_lie_less_than_a_level_above_the_stored_ones():
    plain = [batch.x for batch in Digits(image_size=8).iteration_batches(0, 3)]
    noisy = [batch.x for batch in Digits(image_size=8, dequantize=True).iteration_batches(0, 3)]
    added = torch.stack(noisy).double() - torch.stack(plain).double()
    assert noisy[0].dtype == torch.float32
    assert added.min() > -1e-6
    assert added.max() < 1 / 128 + 1e-6
    assert added.mean().item() == pytest.approx(1 / 256, rel=0.05)
    assert (128 * added).std().item() == pytest.approx(12**-0.5, rel=0.05)  # uniform
    assert (added[0] - added[1]).abs().mean() > 1e-3  # drawn anew


def test_the_noise_is_of_seed_iteration_and_place_and_only_in_training():
    data = Digits(image_size=8, batch_size=8, dequantize=True)
    whole = list(data.iteration_batches(0, 3, seed=4))
    ranks = [list(data.iteration_batches(0, 3, seed=4, rank=rank, world=2)) for rank in range(2)]
    for batch, first, second in zip(whole, *ranks, strict=True):
        assert torch.equal(batch.x, torch.cat([first.x, second.x]))
    assert torch.equal(next(data.iteration_batches(2, 3, seed=4)).x, whole[2].x)
    assert not torch.equal(next(data.iteration_batches(2, 3, seed=5)).x, whole[2].x)
    plain = Digits(image_size=8)
    assert data.fingerprint == plain.fingerprint
    for name in ("train", "validation", "test"):
        assert torch.equal(next(data.split(name).batches(50)).x, next(plain.split(name).batches(50)).x)
