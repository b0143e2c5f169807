import pytest
import torch
from torch.distributions import Normal, kl_divergence

from lightning_gans.losses.variational import kl_of_dimensions, kl_to_standard_normal, with_free_bits


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_golden():
    found = kl_of_dimensions(torch.tensor([[0.7, 0.0]]), torch.tensor([[-0.3, 0.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.265409, 0.0]]), rtol=0, atol=1e-6)


def test_it_is_the_divergence_of_gaussians_summed_over_dimensions():
    mean, log_variance = rows(5, 3), rows(5, 3, seed=1)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_of_dimensions(mean, log_variance), expected)
    torch.testing.assert_close(kl_to_standard_normal(mean, log_variance), expected.sum(1))


def test_it_is_the_mean_log_ratio_of_draws():
    mean, log_variance = torch.tensor([[0.7]]).double(), torch.tensor([[-0.3]]).double()
    q, n = Normal(mean, (log_variance / 2).exp()), 200_000
    z = mean + (log_variance / 2).exp() * rows(n, 1)
    ratios = q.log_prob(z) - Normal(0.0, 1.0).log_prob(z)
    assert ratios.mean().item() == pytest.approx(
        kl_to_standard_normal(mean, log_variance).item(), abs=4 * ratios.std().item() / n**0.5
    )


def test_free_bits_are_free_for_each_dimension_of_the_batch():
    kl = torch.tensor([[0.1, 2.0], [0.7, 4.0]], requires_grad=True)  # means .4 and 3
    loss = with_free_bits(kl, 0.5)
    assert loss.item() == pytest.approx(3.5)
    (gradient,) = torch.autograd.grad(loss, kl)
    assert torch.equal(
        gradient, torch.tensor([[0.0, 0.5], [0.0, 0.5]])
    )  # the .5 of the first column is not a case alone


def test_without_free_bits_it_is_the_kl():
    kl = rows(6, 4).exp()
    torch.testing.assert_close(with_free_bits(kl, 0.0), kl.sum(1).mean())
