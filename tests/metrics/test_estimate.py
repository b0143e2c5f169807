"""Estimates and their standard errors."""

import math

import pytest
import torch

from lightning_gans.metrics.estimate import mean, of_share, share


def test_a_mean_has_the_error_of_its_values() -> None:
    found = mean(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert found.value == 2.5
    assert found.error == pytest.approx(math.sqrt(5 / 3) / 2)
    assert math.isnan(mean(torch.tensor([1.0])).error)


def test_a_share_has_the_binomial_error() -> None:
    assert share(25, 100) == of_share(0.25, 100) == (0.25, pytest.approx(math.sqrt(0.25 * 0.75 / 100)))
    assert share(0, 7) == (0, 0)
