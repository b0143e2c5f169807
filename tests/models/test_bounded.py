"""Codes of samples lie where the prior's do."""

import pytest
import torch
from torch import nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Normal, Uniform
from lightning_gans.models.inference import BoundedInferenceModel


def model(prior, **settings):
    return BoundedInferenceModel(generator=nn.Identity(), prior=prior, encoder=nn.Identity(), **settings)


def test_codes_are_twice_the_normal_distribution_less_one():
    x = torch.tensor([[-80.0, -1.0], [0.0, 3.0]])
    expected = 0.5 * (2 * torch.distributions.Normal(0, 1).cdf(x) - 1)
    torch.testing.assert_close(model(Uniform(dim=2, bound=0.5)).code(x), expected)
    torch.testing.assert_close(model(Uniform(dim=2, bound=0.5)).encode(x), expected)
    assert model(Uniform(dim=2, bound=0.5)).code(x).abs().max() <= 0.5


def test_normalised_numbers_become_codes_of_the_priors_moments():
    a = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0))
    codes = model(Uniform(dim=2, bound=0.5)).code(a)
    for power in (1, 2, 4):
        expected = 0.0 if power % 2 else 0.5**power / (power + 1)
        assert codes.pow(power).mean().item() == pytest.approx(expected, abs=2e-3)


def test_a_logistic_link_is_the_authors_sigmoid():
    x = torch.tensor([[-80.0, -1.0], [0.0, 3.0]])
    codes = model(Uniform(dim=2, bound=0.5), link="logistic").code(x)
    torch.testing.assert_close(codes, 0.5 * (2 * x.sigmoid() - 1))
    with pytest.raises(ValueError, match="link=probit: normal or logistic"):
        model(Uniform(dim=2), link="probit")


def test_a_prior_without_bounds_is_refused():
    with pytest.raises(UserError, match=r"Normal is none.*prior\.Uniform"):
        model(Normal(dim=2))
