"""Divergence of a Gaussian code from the prior, against closed forms and a sample mean."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from lightning_gans.core.rng import stream
from lightning_gans.losses.variational import kl_to_standard_normal


def test_one_number():
    kl = kl_to_standard_normal(torch.tensor([[0.7]]), torch.tensor([[-0.3]]))
    assert kl.item() == pytest.approx(0.265409, abs=1e-6)


def test_it_is_torchs_and_a_sum_over_the_code():
    mean, log_variance = torch.randn(2, 5, 3, generator=stream("kl"), dtype=torch.float64)
    q = Independent(Normal(mean, (log_variance / 2).exp()), 1)
    p = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(kl_to_standard_normal(mean, log_variance), kl_divergence(q, p))


def test_the_prior_itself_is_at_no_distance():
    assert kl_to_standard_normal(torch.zeros(2, 4), torch.zeros(2, 4)).tolist() == [0.0, 0.0]
