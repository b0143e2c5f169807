import copy

import pytest
import torch
from torch import nn

from lightning_gans.core.ema import RAMP_UP, ExponentialMovingAverage


def networks(value=0.0):
    """A network of constant weights."""
    model = nn.Linear(2, 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)
    return model


def fill(model, value):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(value)


def averages(average):
    return torch.cat([parameter.flatten() for parameter in average.model.parameters()])


@pytest.mark.parametrize("batch", [10, 100, 500])
def test_after_the_half_life_the_old_average_counts_half(batch):
    model, half_life = networks(0.0), 1000.0
    average = ExponentialMovingAverage(model, half_life=half_life)
    fill(model, 1.0)
    images = int(half_life / RAMP_UP)  # from here on the ramp-up is over
    for left in (0.5, 0.25):
        for _ in range(1000 // batch):
            images += batch
            average.update(model, images=images, batch=batch)
        torch.testing.assert_close(averages(average), torch.full((6,), 1 - left), rtol=1e-5, atol=0)


def test_a_young_average_forgets_its_beginning():
    model = networks(1.0)
    average = ExponentialMovingAverage(model, half_life=10_000)
    fill(model, 0.0)
    average.update(model, images=64, batch=64)
    assert averages(average).max() < 1e-5
    fill(model, 1.0)
    average.update(model, images=1000, batch=50)  # a half-life of 50 images now
    torch.testing.assert_close(averages(average), torch.full((6,), 0.5), rtol=1e-4, atol=1e-5)


def test_without_a_half_life_the_copy_is_the_newest_weights():
    model = networks(0.0)
    average = ExponentialMovingAverage(model, half_life=None)
    fill(model, 2.0)
    average.update(model, images=64, batch=64)
    assert torch.equal(averages(average), torch.zeros(6))  # read, not updated
    assert average.read(model) is average.model
    assert torch.equal(averages(average), torch.full((6,), 2.0))


def test_reading_takes_over_the_buffers_and_not_the_weights():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = ExponentialMovingAverage(model, half_life=1e9)
    before = copy.deepcopy(average.model.state_dict())
    with torch.no_grad():
        model[1].running_mean.fill_(3.0)
        model[1].num_batches_tracked.fill_(9)
        model[0].weight.fill_(5.0)
    read = average.read(model)
    assert read[1].running_mean.tolist() == [3.0, 3.0]
    assert read[1].num_batches_tracked == 9
    assert torch.equal(read[0].weight, before["0.weight"])
    assert not read.training
    assert model.training


def test_the_copy_takes_no_gradients_and_follows_no_one():
    model = networks(1.0)
    average = ExponentialMovingAverage(model, half_life=100)
    assert not any(parameter.requires_grad for parameter in average.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    fill(model, 7.0)
    assert torch.equal(averages(average), torch.ones(6))


def test_it_follows_a_model_that_changes_its_type():
    model = networks(0.0)
    average = ExponentialMovingAverage(model, half_life=100)
    average.update(model, images=10_000, batch=100)
    both = nn.ModuleList([model, average]).double()
    fill(model, 1.0)
    both[1].update(model, images=10_000, batch=100)
    torch.testing.assert_close(averages(average), torch.full((6,), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("half_life", [None, 100])
def test_a_model_without_parameters_is_left_alone(half_life):
    model = nn.Sequential(nn.Tanh())
    average = ExponentialMovingAverage(model, half_life=half_life)
    average.update(model, images=64, batch=64)
    assert isinstance(average.read(model), nn.Sequential)
