import pytest
import torch
from torch import nn

from lightning_gans.losses.penalties import R1, squared_gradient_norm


def rows(n, *shape, seed=0):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def uniform(k):
    raise AssertionError(f"R1 asked for {k} random numbers")


def test_a_linear_discriminator_has_the_norm_of_its_weights_everywhere():
    weight = rows(3).squeeze()
    norms = squared_gradient_norm(lambda x: x @ weight + 4, rows(5, 3, seed=1))
    torch.testing.assert_close(norms, weight.square().sum().expand(5))
    penalty = R1(gamma=3.0)(lambda x: x @ weight + 4, rows(5, 3, seed=1), rows(7, 3, seed=2), uniform)
    torch.testing.assert_close(penalty, 3.0 / 2 * weight.square().sum())


def test_a_quadratic_discriminator_sample_by_sample():
    matrix, shift, x = rows(3, 3), rows(3, seed=1).squeeze(), rows(6, 3, seed=2)

    def discriminator(x):
        return 0.5 * torch.einsum("ni,ij,nj->n", x, matrix, x) + x @ shift

    gradients = x @ (matrix + matrix.T) / 2 + shift
    expected = gradients.square().sum(1)
    assert expected.std() > 0.1
    torch.testing.assert_close(squared_gradient_norm(discriminator, x), expected)
    torch.testing.assert_close(R1(gamma=10.0)(discriminator, x, x + 1, uniform), 5 * expected.mean())


def test_every_axis_but_the_first_is_in_the_norm():
    x = rows(4, 2, 3, 3)
    norms = squared_gradient_norm(lambda x: x.square().sum((1, 2, 3))[:, None] / 2, x)
    torch.testing.assert_close(norms, x.square().sum((1, 2, 3)))


def test_logits_of_patches_count_as_their_sum():
    x = rows(4, 5)
    norms = squared_gradient_norm(lambda x: torch.stack([x.sum(1), 2 * x.sum(1)], dim=1), x)
    torch.testing.assert_close(norms, torch.full((4,), 45.0, dtype=torch.float64))


def test_it_is_of_real_samples_and_leaves_them_as_they_are():
    real, fake = rows(4, 2), rows(4, 2, seed=1)
    penalty = R1(gamma=2.0)(lambda x: x.square().sum(1), real, fake, uniform)
    torch.testing.assert_close(penalty, (4 * real.square().sum(1)).mean())
    assert not real.requires_grad
    assert real.grad is None


def test_the_discriminator_descends_it():
    weight = nn.Parameter(rows(3).squeeze())
    R1(gamma=4.0)(lambda x: x @ weight, rows(5, 3), rows(5, 3), uniform).backward()
    torch.testing.assert_close(weight.grad, 4 * weight.detach())


def test_autocast_does_not_reach_it():
    network = nn.Linear(3, 1)
    x = rows(4, 3).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        norms = squared_gradient_norm(network, x)
        halves = squared_gradient_norm(network, x.bfloat16())
    assert norms.dtype == halves.dtype == torch.float32
    torch.testing.assert_close(norms, network.weight.square().sum().expand(4), rtol=1e-6, atol=0)


@pytest.mark.parametrize("gamma", [0.0, 0.1])
def test_gamma_scales_it(gamma):
    assert R1(gamma=gamma)(lambda x: 2 * x.sum(1), rows(4, 1), rows(4, 1), uniform).item() == pytest.approx(2 * gamma)
