"""L_I against closed forms and torch's distributions: of a Q that knows nothing, and of one that knows all."""

from math import e, log, pi

import pytest
import torch
from torch.distributions import Categorical, Normal, Uniform
from torch.nn.functional import one_hot

from lightning_gans.core.rng import stream
from lightning_gans.losses.information import (
    categorical_entropy,
    categorical_log_density,
    gaussian_log_density,
    normal_entropy,
    uniform_entropy,
)

CODES = one_hot(torch.arange(30) % 10, 10).double()


def test_entropies():
    assert categorical_entropy(10) == pytest.approx(2.302585, abs=1e-6)
    assert categorical_entropy(10) == pytest.approx(Categorical(torch.ones(10)).entropy().item(), rel=1e-6)
    assert uniform_entropy(2, 1.0) == pytest.approx(2 * log(2))
    assert uniform_entropy(3, 0.2) == pytest.approx(3 * Uniform(-0.2, 0.2).entropy().item(), rel=1e-6)
    assert normal_entropy(1) == pytest.approx(log(2 * pi * e) / 2)
    assert normal_entropy(4) == pytest.approx(4 * Normal(0.0, 1.0).entropy().item(), rel=1e-6)


@pytest.mark.parametrize("constant", [0.0, -7.0, 300.0])
def test_a_uniform_q_knows_nothing(constant):
    """L_I is 0, whatever the size of the logits."""
    bound = categorical_log_density(torch.full_like(CODES, constant), CODES) + categorical_entropy(10)
    assert bound.item() == pytest.approx(0.0, abs=1e-9)


def test_a_perfect_q_knows_a_category_whole():
    bound = categorical_log_density(100 * CODES, CODES) + categorical_entropy(10)
    assert bound.item() == pytest.approx(2.302585, abs=1e-6)


def test_no_q_knows_more_than_there_is_to_know():
    logits = 5 * torch.randn(200, 30, 10, generator=stream("q"), dtype=torch.float64)
    bounds = torch.stack([categorical_log_density(part, CODES) for part in logits]) + categorical_entropy(10)
    assert (bounds <= categorical_entropy(10)).all()
    assert bounds.min() < 0  # a bound: worse than nothing is possible


def test_densities_are_torchs():
    logits = torch.randn(30, 10, generator=stream("logits"), dtype=torch.float64)
    expected = Categorical(logits=logits).log_prob(CODES.argmax(1)).mean()
    assert categorical_log_density(logits, CODES).item() == pytest.approx(expected.item(), rel=1e-9)
    mean, code = torch.randn(2, 30, 3, generator=stream("means"), dtype=torch.float64)
    for std in (1.0, 0.3):
        expected = Normal(mean, std).log_prob(code).sum(1).mean()
        assert gaussian_log_density(mean, code, std=std).item() == pytest.approx(expected.item(), rel=1e-9)


def test_continuous_codes_under_a_std_of_1():
    """U(-1, 1), E c^2 = 1/3: log 2 - log(2 pi) / 2, less 1/6 for a Q that says 0. N(0, 1): a half, and 0."""
    third = torch.tensor([[-1.0], [1.0]], dtype=torch.float64) / 3**0.5
    most = log(2) - log(2 * pi) / 2
    assert most == pytest.approx(-0.225791, abs=1e-6)
    found = [gaussian_log_density(mean, third).item() + uniform_entropy(1, 1.0) for mean in (third, 0 * third)]
    assert found == pytest.approx([most, most - 1 / 6])
    ones = torch.tensor([[-1.0], [1.0]], dtype=torch.float64)
    found = [gaussian_log_density(mean, ones).item() + normal_entropy(1) for mean in (ones, 0 * ones)]
    assert found == pytest.approx([0.5, 0.0], abs=1e-12)
