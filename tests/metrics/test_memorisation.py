import math

import pytest
import torch

from lightning_gans.core.rng import stream
from lightning_gans.metrics import memorisation
from lightning_gans.metrics.memorisation import memorised


def images(name, n, size=8):
    return torch.rand(n, 1, size, size, generator=stream("memorised", name)) * 2 - 1


TRAIN = images("train", 300)


def noisy(x, scale=0.02):
    return (x + scale * torch.randn(x.shape, generator=stream("noise"))).clamp(-1, 1)


def test_copies_are_memorised_and_other_images_of_the_distribution_are_not():
    assert memorised(TRAIN[:50], TRAIN.split(64)).estimate.value == 1
    assert memorised(noisy(TRAIN[:50]), TRAIN.split(64)).estimate.value == 1
    assert memorised(images("held out", 50), TRAIN.split(64)).estimate == (0, 0)


def test_the_share_has_the_error_of_its_number_of_samples():
    found = memorised(torch.cat([TRAIN[:10], images("held out", 30)]), [TRAIN]).estimate
    assert found.value == 0.25
    assert found.error == pytest.approx(math.sqrt(0.25 * 0.75 / 40))


@pytest.mark.parametrize("size", [1, 7, 300, 1000])
def test_distances_are_those_of_all_pairs_however_the_stream_is_cut(size):
    x = images("held out", 20)
    exact = torch.cdist(x.flatten(1).double(), TRAIN.flatten(1).double())
    expected = exact.topk(3, dim=1, largest=False)
    found = memorised(x, TRAIN.split(size))
    assert torch.allclose(found.distances, expected.values)
    assert torch.equal(found.nearest, expected.indices)


def test_large_training_sets_are_read_in_parts(monkeypatch):
    monkeypatch.setattr(memorisation, "_CELLS", 10 * 64)
    x = images("held out", 20)
    exact = torch.cdist(x.flatten(1).double(), TRAIN.flatten(1).double())
    found = memorised(x, TRAIN.split(100))
    assert torch.allclose(found.distances, exact.topk(3, dim=1, largest=False).values)


@pytest.mark.parametrize("size", [5, 1000])
def test_training_images_that_occur_many_times_do_not_hide_a_copy(size):
    train = torch.cat([TRAIN[:20].repeat_interleave(12, 0), TRAIN, TRAIN[:20]])
    found = memorised(noisy(TRAIN[:20]), train.split(size))
    assert found.estimate.value == 1
    assert torch.equal(found.nearest[:, 0], 12 * torch.arange(20))  # the first of the equal ones
    assert (train[found.nearest[:, 1]] != train[found.nearest[:, 0]]).flatten(1).any(1).all()


def test_equal_images_are_at_distance_0_also_where_all_images_are_nearly_equal():
    train = 0.9 + 1e-4 * TRAIN
    found = memorised(train[:30], train.split(64))
    assert (found.distances[:, 0] == 0).all()
    assert torch.equal(found.nearest[:, 0], torch.arange(30))
    assert torch.allclose(found.distances[:, 1], memorised(TRAIN[:30], [TRAIN]).distances[:, 1] * 1e-4, rtol=2e-3)


def test_images_that_are_not_finite_are_not_memorised():
    x = TRAIN[:4].clone()
    x[1, 0, 0, 0], x[2, 0, 3, 3] = torch.nan, torch.inf
    found = memorised(x, [TRAIN])
    assert found.estimate.value == 0.5
    assert found.nearest[1].tolist() == [-1, -1, -1]


def test_one_training_image_tells_nothing():
    found = memorised(TRAIN[:4], [TRAIN[:1], TRAIN[:1]])
    assert math.isnan(found.estimate.value)
    assert found.nearest.tolist() == [[0, -1, -1]] * 4
    assert math.isnan(memorised(TRAIN[:4], []).estimate.value)
