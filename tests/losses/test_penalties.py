"""Every penalty against its closed form, for discriminators whose gradient is known at every sample."""

import pytest
import torch
from torch import nn

from lightning_gans.losses.penalties import (
    DRAGAN,
    R1,
    R1R2,
    R2,
    GradientPenalty,
    distance_from_one,
    squared_gradient_norm,
)


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


# R1, R2 and both


@pytest.mark.parametrize("penalty, norms", [(R1, 1), (R2, 1), (R1R2, 2)])
def test_a_lazy_penalty_weighs_as_many_times_as_it_is_rarer(penalty, norms):
    """NVlabs/stylegan2-ada-pytorch: loss_Dr1 = gamma / 2 |grad|^2, times the interval of 16 between two of them."""
    weight = rows(3).squeeze()
    found = penalty(gamma=10.0, every=16)(lambda x: x @ weight, rows(5, 3, seed=1), rows(5, 3, seed=2), uniform)
    torch.testing.assert_close(found, norms * 16 * 5.0 * weight.square().sum())
    with pytest.raises(ValueError, match="every=0"):
        penalty(gamma=10.0, every=0)


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


def test_autocast_does_not_reach_it_for_points():
    network = nn.Linear(3, 1)
    x = rows(4, 3).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        norms = squared_gradient_norm(network, x)
        halves = squared_gradient_norm(network, x.bfloat16())
    assert norms.dtype == halves.dtype == torch.float32
    torch.testing.assert_close(norms, network.weight.square().sum().expand(4), rtol=1e-6, atol=0)


def test_autocast_reaches_the_passes_for_images_and_not_the_norm():
    network = nn.Sequential(nn.Flatten(), nn.Linear(144, 1))
    x = rows(4, 1, 12, 12).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        norms = squared_gradient_norm(network, x)
    assert norms.dtype == torch.float32
    weight = network[1].weight
    torch.testing.assert_close(norms, weight.bfloat16().float().square().sum().expand(4), rtol=1e-6, atol=0)
    torch.testing.assert_close(norms, weight.square().sum().expand(4), rtol=1e-2, atol=0)


@pytest.mark.parametrize("gamma", [0.0, 0.1])
def test_gamma_scales_it(gamma):
    assert R1(gamma=gamma)(lambda x: 2 * x.sum(1), rows(4, 1), rows(4, 1), uniform).item() == pytest.approx(2 * gamma)


def test_r2_is_of_generated_samples_and_r1_r2_of_both():
    real, fake = rows(4, 2), rows(6, 2, seed=1)
    on_real, on_fake = (2 * x.square().sum(1).mean() for x in (real, fake))  # grad x^2 / sqrt 2
    assert (on_real - on_fake).abs() > 0.1

    def discriminator(x):
        return x.square().sum(1) / 2**0.5

    torch.testing.assert_close(R1(gamma=3.0)(discriminator, real, fake, uniform), 1.5 * on_real)
    torch.testing.assert_close(R2(gamma=3.0)(discriminator, real, fake, uniform), 1.5 * on_fake)
    torch.testing.assert_close(R1R2(gamma=3.0)(discriminator, real, fake, uniform), 1.5 * (on_real + on_fake))


def test_r1_of_a_quadratic_form_is_a_trace():
    """D(x) = x^T A x / 2 and covariance S: E ||A x||^2 = tr(A S A)."""
    root, x = rows(3, 3), rows(500, 3, seed=1)
    a = root + root.T
    covariance = x.T @ x / len(x)
    penalty = R1(gamma=2.0)(lambda x: torch.einsum("ni,ij,nj->n", x, a, x) / 2, x, x, uniform)
    torch.testing.assert_close(penalty, torch.trace(a @ covariance @ a))


# Distances from one


def drawing(n, seed=0):
    """k -> (n, k) uniform numbers, and the list of what was drawn."""
    generator, drawn = torch.Generator().manual_seed(seed), []

    def uniform(k):
        drawn.append(torch.rand(n, k, generator=generator, dtype=torch.float64))
        return drawn[-1]

    return uniform, drawn


@pytest.mark.parametrize("penalty", [GradientPenalty(weight=10.0), DRAGAN(weight=10.0)], ids=["wgan-gp", "dragan"])
@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_a_linear_discriminator_pays_its_norms_distance_from_one_wherever_it_is_asked(penalty, norm):
    weight = rows(3).squeeze()
    weight *= norm / weight.norm()
    for seed in range(3):
        value = penalty(lambda x: x @ weight, rows(5, 3), rows(5, 3, seed=1), drawing(5, seed)[0])
        assert value.item() == pytest.approx(10 * (norm - 1) ** 2, abs=1e-9)


@pytest.mark.parametrize("norm", [0.0, 0.25, 1.0, 3.0])
def test_one_sided_only_long_gradients_cost(norm):
    weight = torch.tensor([norm, 0.0], dtype=torch.float64)
    value = GradientPenalty(weight=10.0, one_sided=True)(lambda x: x @ weight, rows(5, 2), rows(5, 2), drawing(5)[0])
    assert value.item() == pytest.approx(10 * max(norm - 1, 0) ** 2, abs=1e-9)


@pytest.mark.parametrize("one_sided", [False, True])
def test_gradient_penalty_of_a_quadratic_discriminator_sample_by_sample(one_sided):
    """grad ||x||^2 / 2 = x: the penalty is of the norms of the points between, one number for each pair."""
    real, fake = rows(6, 2, 3, 3) / 4, rows(6, 2, 3, 3, seed=1) / 2
    uniform, drawn = drawing(6)
    penalty = GradientPenalty(weight=7.0, one_sided=one_sided)
    value = penalty(lambda x: x.square().sum((1, 2, 3)) / 2, real, fake, uniform)
    ((eps,),) = [drawn]
    assert eps.shape == (6, 1)
    norms = (eps[:, :, None, None] * real + (1 - eps[:, :, None, None]) * fake).flatten(1).norm(dim=1)
    assert norms.min() < 1 < norms.max()
    distances = (norms.clamp(min=1) if one_sided else norms) - 1
    torch.testing.assert_close(value, 7 * distances.square().mean(), rtol=1e-9, atol=1e-9)


def test_dragan_of_a_quadratic_discriminator_sample_by_sample():
    """X + alpha std(X) / 2 U: one alpha for each sample, one u for each of its numbers, one std for the batch."""
    real = rows(6, 2, 3, 3) / 4
    uniform, drawn = drawing(6)
    value = DRAGAN(weight=7.0)(lambda x: x.square().sum((1, 2, 3)) / 2, real, real + 100, uniform)
    ((draws,),) = [drawn]
    assert draws.shape == (6, 1 + 18)
    std = (real - real.mean()).square().mean().sqrt()
    norms = (real.flatten(1) + std / 2 * draws[:, :1] * draws[:, 1:]).norm(dim=1)
    torch.testing.assert_close(value, 7 * (norms - 1).square().mean(), rtol=1e-9, atol=1e-9)


def test_dragans_points_stay_beside_the_data():
    real = rows(200, 2)
    points = DRAGAN(weight=1.0).perturbed(real, drawing(200)[0])
    moved = (points - real) / real.std(correction=0)
    assert moved.min() >= 0
    assert 0.45 < moved.max() <= 0.5
    assert moved.mean().item() == pytest.approx(1 / 8, rel=0.1)  # E[alpha] E[u] / 2
    assert not torch.allclose(moved[:, 0], moved[:, 1])


def test_a_batch_without_spread_is_judged_where_it_is():
    real = torch.full((5, 2), 3.0, dtype=torch.float64)
    assert torch.equal(DRAGAN(weight=1.0).perturbed(real, drawing(5)[0]), real)
    value = DRAGAN(weight=1.0)(lambda x: x.square().sum(1) / 2, real, rows(5, 2), drawing(5)[0])
    assert value.item() == pytest.approx((18**0.5 - 1) ** 2, rel=1e-6)


@pytest.mark.parametrize("penalty", [GradientPenalty(weight=10.0), DRAGAN(weight=10.0), R1(gamma=10.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_flat_discriminator_has_a_finite_gradient(penalty, dtype):
    """The root's slope at a norm of 0 is infinite: at first a discriminator may be as flat as that."""
    weight = torch.zeros(3, dtype=dtype, requires_grad=True)
    x = rows(5, 3).to(dtype)
    value = penalty(lambda x: (x @ weight).square(), x, x, drawing(5)[0])
    (gradient,) = torch.autograd.grad(value, weight)
    assert value.item() == pytest.approx(0 if isinstance(penalty, R1) else 10, abs=1e-4)
    assert gradient.isfinite().all()


def test_the_distance_has_the_slope_of_its_closed_form_away_from_zero():
    squared = torch.tensor([1e-4, 0.25, 1.0, 9.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(distance_from_one(squared).sum(), squared)
    torch.testing.assert_close(slope, 1 - 1 / squared.detach().sqrt(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("penalty", [GradientPenalty(weight=2.0), DRAGAN(weight=2.0)], ids=["wgan-gp", "dragan"])
def test_the_discriminator_descends_its_distance(penalty):
    weight = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
    penalty(lambda x: x @ weight, rows(5, 2), rows(5, 2, seed=1), drawing(5)[0]).backward()
    torch.testing.assert_close(weight.grad, 2 * 2 * (5 - 1) * weight.detach() / 5)
