"""Probabilities sum to one, densities integrate to it, and what is observed is what can be."""

from itertools import product
from math import log, pi

import pytest
import torch

from lightning_gans.core.errors import UserError
from lightning_gans.models.likelihoods import LEVELS, Bernoulli, Categorical, Gaussian


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def unasked():
    raise AssertionError("random numbers were asked for")


BINARY_IMAGES = torch.tensor(list(product([-1.0, 1.0], repeat=4))).view(16, 1, 2, 2)
VALUES = torch.arange(LEVELS) / 127.5 - 1


# Gaussian


def test_gaussian_is_the_density_summed_over_pixels():
    x, outputs = rows(3, 2, 4, 4), rows(3, 2, 4, 4, seed=1)
    expected = torch.distributions.Normal(outputs, 0.3).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(Gaussian(std=0.3).log_prob(outputs, x), expected)
    assert Gaussian(std=1.0).log_prob(x, x)[0].item() == pytest.approx(-16 * log(2 * pi))
    assert torch.equal(Gaussian().mean(outputs), outputs)
    assert Gaussian().observe(x, unasked) is x


def test_a_learned_deviation_is_the_root_mean_squared_error_at_its_best():
    x, outputs = rows(6, 1, 3, 3).double(), rows(6, 1, 3, 3, seed=1).double()
    rmse = (x - outputs).square().mean().sqrt().item()
    likelihood = Gaussian(std=rmse, learned=True).double()
    likelihood.log_prob(outputs, x).mean().backward()
    assert likelihood.log_std.grad.item() == pytest.approx(0, abs=1e-5)
    assert dict(Gaussian(std=rmse).named_parameters()) == {}
    other = Gaussian(std=2 * rmse, learned=True).double()
    other.log_prob(outputs, x).mean().backward()
    assert other.log_std.grad.item() == pytest.approx(-9 * 0.75)  # d/ds of (e^2 / s^2 / 2 + log s) is 1 - e^2 / s^2


@pytest.mark.parametrize("std", [0.0, -1.0, float("nan")])
def test_a_deviation_is_above_zero(std):
    with pytest.raises(UserError, match=r"likelihood\.std="):
        Gaussian(std=std)


# Bernoulli


def test_bernoulli_is_a_distribution_over_the_sixteen_images_of_four_pixels():
    for logits in 3 * rows(4, 1, 1, 2, 2):
        log_prob = Bernoulli().log_prob(logits.expand(16, 1, 2, 2), BINARY_IMAGES)
        assert log_prob.exp().sum().item() == pytest.approx(1, abs=1e-6)
        mean = (log_prob.exp()[:, None, None, None] * BINARY_IMAGES).sum(0)
        torch.testing.assert_close(Bernoulli().mean(logits), mean[None])


def test_stochastic_pixels_are_lit_as_often_as_they_are_bright():
    x = torch.tensor([-1.0, -0.5, 0.0, 0.8, 1.0]).expand(20_000, 5)
    seen = Bernoulli(binarize="stochastic").observe(x, lambda: uniform(20_000, 5))
    assert set(seen.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(seen.mean(0), x[0], atol=0.02, rtol=0)
    assert torch.equal(seen[:, [0, 4]], x[:, [0, 4]])  # black and white stay as they are


def test_thresholded_pixels_take_no_chances():
    x = torch.tensor([[-1.0, -0.1, 0.0, 0.1, 1.0]])
    assert Bernoulli(binarize="threshold").observe(x, unasked).tolist() == [[-1.0, -1.0, -1.0, 1.0, 1.0]]


def test_grey_taken_as_probabilities_is_the_mean_over_binary_images():
    grey, logits = uniform(1, 1, 2, 2) * 2 - 1, rows(1, 1, 2, 2)
    likelihood = Bernoulli(binarize=None)
    assert likelihood.observe(grey, unasked) is grey
    weights = torch.where(BINARY_IMAGES > 0, (1 + grey) / 2, (1 - grey) / 2).flatten(1).prod(1)
    expected = (weights * likelihood.log_prob(logits.expand(16, 1, 2, 2), BINARY_IMAGES)).sum()
    torch.testing.assert_close(likelihood.log_prob(logits, grey), expected[None])


def test_other_ways_to_binarize_are_refused():
    with pytest.raises(UserError, match=r"likelihood\.binarize='round'"):
        Bernoulli(binarize="round")


# Categorical


def test_categorical_is_a_distribution_over_levels_of_each_channel():
    outputs = rows(1, 2 * LEVELS, 1, 1)
    some = VALUES[::85]  # four levels of the second channel, and all of the first
    images = torch.cartesian_prod(VALUES, some)[:, :, None, None]
    total = Categorical().log_prob(outputs.expand(len(images), -1, -1, -1), images).exp().sum().item()
    assert total == pytest.approx(outputs[0, LEVELS:, 0, 0].softmax(0)[::85].sum().item(), rel=1e-5)


def test_a_channels_levels_lie_side_by_side():
    outputs = torch.zeros(1, 2 * LEVELS, 1, 1)
    outputs[0, 7] = outputs[0, LEVELS + 200] = 50.0
    likely = torch.tensor([VALUES[7], VALUES[200]]).view(1, 2, 1, 1)
    assert Categorical().log_prob(outputs, likely).item() == pytest.approx(0, abs=1e-6)
    assert Categorical().log_prob(outputs, likely.flip(1)).item() < -90
    torch.testing.assert_close(Categorical().mean(outputs), likely)


def test_what_is_observed_are_the_bytes_of_a_file():
    pixels = torch.arange(LEVELS, dtype=torch.uint8).view(1, 1, 16, 16)
    x = pixels.float().mul_(1 / 127.5).sub_(1)  # as the data modules do
    observed = Categorical().observe(x, unasked)
    torch.testing.assert_close(observed, x)
    assert torch.equal(((observed + 1) * 127.5).round().to(torch.uint8), pixels)
    between = Categorical().observe(torch.tensor([[-1.2, 0.0021, 1.2]]), unasked)
    torch.testing.assert_close(between, torch.tensor([[-1.0, 128 / 127.5 - 1, 1.0]]))


def test_a_decoder_without_levels_is_refused():
    with pytest.raises(ValueError, match="3 channels of outputs"):
        Categorical().log_prob(rows(1, 3, 2, 2), rows(1, 3, 2, 2))


@pytest.mark.parametrize("likelihood", [Gaussian(std=0.1, learned=True), Bernoulli(binarize=None), Categorical()])
def test_sums_are_taken_in_single_precision(likelihood):
    outputs = rows(1, LEVELS if isinstance(likelihood, Categorical) else 1, 16, 16).bfloat16()
    x = uniform(1, 1, 16, 16) * 2 - 1
    found = likelihood.log_prob(outputs, x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, likelihood.log_prob(outputs.float(), x))
