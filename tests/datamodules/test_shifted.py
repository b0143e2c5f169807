import pytest
import torch

from datamodules import Digits, DigitsShifted
from datamodules.shifted import BRIGHTEST, clouds, thicker


def test_clouds():
    found = clouds(500, 16, "train")
    assert found.shape == (500, 1, 16, 16)
    assert found.min() == 0
    assert found.max() == pytest.approx(BRIGHTEST)
    assert found.mean().item() == pytest.approx(0.4, abs=0.01)
    assert found.std().item() == pytest.approx(0.19, abs=0.01)
    centred = found - found.mean()
    neighbours = (centred[..., 1:] * centred[..., :-1]).mean() / centred.square().mean()
    assert 0.7 < neighbours < 0.85  # blurred by one pixel: exp(-1 / 4)
    larger = clouds(50, 32, "train")
    assert larger.std().item() == pytest.approx(0.19, abs=0.02)
    assert not torch.equal(found, clouds(500, 16, "test"))


@pytest.mark.parametrize("size, reach", [(8, 1), (16, 1), (32, 2)])
def test_a_point_becomes_a_square(size, reach):
    x = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    x[0, 0, 4, 3] = 201
    expected = torch.zeros_like(x)
    expected[0, 0, 4 - reach : 5 + reach, 3 - reach : 4 + reach] = 201
    found = thicker(x)
    assert found.dtype == torch.uint8
    assert torch.equal(found, expected)


def test_the_digits_are_those_of_digits_thicker_on_a_background_that_stays():
    shifted, plain = DigitsShifted(image_size=16), Digits(image_size=16)
    for split in ("train", "validation", "test"):
        assert torch.equal(shifted.split(split).labels, plain.split(split).labels)
        x, digits = shifted.sources[split].x, thicker(plain.sources[split].x)
        assert (x >= digits).all()
        strokes = digits > 255 * BRIGHTEST
        assert torch.equal(x[strokes], digits[strokes])
        assert (x > digits).float().mean() > 0.25
    assert torch.equal(shifted.sources["test"].x, DigitsShifted(image_size=16).sources["test"].x)
    assert shifted.fingerprint != plain.fingerprint
    assert DigitsShifted(image_size=8, channels=3).sources["train"].x.shape == (1437, 3, 8, 8)
