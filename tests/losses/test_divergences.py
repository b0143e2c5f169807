"""Nowozin et al. 2016: the ten divergences against their integrals, their conjugates and what a network reaches."""

from math import exp, log

import pytest
import torch
from scipy.special import lambertw

from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.losses.divergences import (
    DIVERGENCES,
    GANDivergence,
    Jeffrey,
    WeightedJensenShannon,
    log_one_minus_sigmoid_power,
)
from tests.helpers.ref_pair import LOG_RATIO, RATIO, P, Q, descend, discriminator_loss, integral, perceptron

# Between P = N(0, 1) and Q = N(0.5, 1.2^2); weights of "weighted_js" behind its name
ROWS = {
    "kl": 0.116349,
    "reverse_kl": 0.162678,
    "pearson": 0.199597,
    "neyman": 0.740228,
    "squared_hellinger": 0.066624,
    "jeffrey": 0.279027,
    "js": 0.064194,
    "weighted_js 0.3": 0.025725,
    "weighted_js 0.5": 0.032097,
    "weighted_js 0.7": 0.028712,
    "gan": -1.322101,
    "total_variation": 0.192988,
}


def named(row):
    name, _, pi = row.partition(" ")
    return DIVERGENCES[name](pi=float(pi)) if pi else DIVERGENCES[name]()


ALL = pytest.mark.parametrize("row", ROWS)
SMOOTH = pytest.mark.parametrize("row", [row for row in ROWS if row != "total_variation"])


def random(n, low, high):
    return low + (high - low) * torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def derivative(function, x):
    x = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(x).sum(), x)
    return gradient


def test_every_divergence_has_a_row():
    assert {row.partition(" ")[0] for row in ROWS} == set(DIVERGENCES)


@ALL
def test_f_is_of_the_divergence(row):
    x = torch.linspace(-16, 16, 32001, dtype=torch.float64)
    p = torch.distributions.Normal(0.0, 1.0).log_prob(x).exp()
    q = torch.distributions.Normal(0.5, 1.2).log_prob(x).exp()
    assert (q * named(row).f(p / q)).sum().item() * 1e-3 == pytest.approx(ROWS[row], abs=1e-6)


@pytest.mark.parametrize("pi", [0.3, 0.5, 0.7])
def test_weighted_js_is_of_both_to_their_mixture(pi):
    mixture = pi * P + (1 - pi) * Q
    both = integral(pi * P * (P / mixture).log() + (1 - pi) * Q * (Q / mixture).log())
    assert both.item() == pytest.approx(ROWS[f"weighted_js {pi}"], abs=1e-6)
    assert integral(Q * WeightedJensenShannon(pi=pi).f(RATIO)).item() == pytest.approx(both.item(), rel=1e-9)


@ALL
def test_fenchel_and_young(row):
    """f(u) + f*(t) >= u t for every u and t; equal at t = f'(u), where u = f*'(t)."""
    divergence = named(row)
    u, t = random(200, 0.02, 8)[:, None], divergence.activation(random(100, -6, 6))
    slack = divergence.f(u) + divergence.conjugate(t) - u * t
    assert slack.min() > -1e-9
    assert slack.max() > 0.1
    touching = derivative(divergence.f, u)
    torch.testing.assert_close(divergence.f(u) + divergence.conjugate(touching), u * touching, rtol=1e-9, atol=1e-9)
    if row != "total_variation":  # f has a kink there
        torch.testing.assert_close(derivative(divergence.conjugate, touching), u, rtol=1e-8, atol=0)


@ALL
def test_the_activation_takes_any_logit_into_the_domain(row):
    divergence, v = named(row), torch.linspace(-12, 12, 241, dtype=torch.float64)
    t = divergence.activation(v)
    assert (t.diff() > 0).all()
    torch.testing.assert_close(divergence.composite(v), divergence.conjugate(t), rtol=1e-9, atol=1e-9)


@ALL
def test_the_boundary_is_where_p_is_q(row):
    divergence = named(row)
    if row != "total_variation":
        one = torch.ones(1, dtype=torch.float64)
        assert derivative(divergence.f, one).item() == pytest.approx(divergence.threshold, abs=1e-12)
    boundary = torch.tensor([divergence.boundary], dtype=torch.float64)
    assert divergence.activation(boundary).item() == pytest.approx(divergence.threshold, abs=1e-12)
    sure = divergence.accuracy(boundary + 0.1, boundary - 0.1), divergence.accuracy(boundary - 0.1, boundary + 0.1)
    assert (sure[0].item(), sure[1].item()) == (1, 0)


def optimal_logits(divergence):
    """g_f(v) = f'(p / q), by bisection."""
    target = derivative(divergence.f, RATIO)
    low, high = torch.full_like(target, -1e9), torch.full_like(target, 1e9)
    for _ in range(90):
        middle = (low + high) / 2
        above = divergence.activation(middle) > target
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return middle


@SMOOTH
def test_a_free_critic_is_best_at_f_prime_of_the_ratio(row):
    divergence = named(row)
    optimum = optimal_logits(divergence).requires_grad_()
    least = discriminator_loss(divergence, optimum)
    assert divergence.estimate(least).item() == pytest.approx(ROWS[row], abs=1e-5)
    (gradient,) = torch.autograd.grad(least, optimum)
    assert gradient.abs().max() < 1e-9
    for change in (0.1, -0.1, 0.1 * LOG_RATIO.sin()):
        assert discriminator_loss(divergence, optimum + change) > least + 1e-5


def test_total_variations_critic_is_best_at_infinity():
    divergence = named("total_variation")
    estimates = [-discriminator_loss(divergence, scale * LOG_RATIO.sign()).item() for scale in (1, 3, 20)]
    assert estimates == sorted(estimates)
    assert estimates[-1] == pytest.approx(ROWS["total_variation"], rel=1e-3)  # of a kink, the grid's sum is not exact


@ALL
def test_a_small_network_reaches_the_divergence_and_never_exceeds_it(row):
    divergence = named(row)
    seen = descend(perceptron(16, 16), lambda logits: discriminator_loss(divergence, logits))
    estimates = [divergence.estimate(torch.tensor(loss)).item() for loss in seen]
    assert max(estimates) < ROWS[row] + 2e-6
    assert max(estimates) == pytest.approx(ROWS[row], rel=0.01)
    assert estimates[0] != pytest.approx(ROWS[row], rel=0.05)


@SMOOTH
def test_a_linear_critic_does_not_reach_it(row):
    """log p / q is a parabola: what the network above reaches is not had for nothing."""
    divergence = named(row)
    seen = descend(perceptron(), lambda logits: discriminator_loss(divergence, logits), steps=30)
    assert -min(seen) < ROWS[row] - 0.01 * abs(ROWS[row])


# The losses


def sigmoid(t):
    return 1 / (1 + exp(-t))


def weighted_slope(pi):
    """d/dv of (1 - pi) log((1 - pi) / (1 - s^(1 / pi)))."""
    return lambda v: (1 - pi) / pi * sigmoid(v) ** (1 / pi) * (1 - sigmoid(v)) / (1 - sigmoid(v) ** (1 / pi))


SLOPES = {  # g_f' and (f* o g_f)'
    "kl": (lambda v: 1, lambda v: exp(v - 1)),
    "reverse_kl": (lambda v: exp(-v), lambda v: 1),
    "pearson": (lambda v: 1, lambda v: v / 2 + 1),
    "neyman": (lambda v: exp(-v), lambda v: exp(-v / 2)),
    "squared_hellinger": (lambda v: exp(-v), exp),
    "jeffrey": (lambda v: 1, lambda v: 1 / lambertw(exp(1 - v)).real),
    "js": (lambda v: 1 - sigmoid(v), sigmoid),
    "weighted_js 0.3": (lambda v: 1 - sigmoid(v), weighted_slope(0.3)),
    "weighted_js 0.5": (lambda v: 1 - sigmoid(v), weighted_slope(0.5)),
    "weighted_js 0.7": (lambda v: 1 - sigmoid(v), weighted_slope(0.7)),
    "gan": (lambda v: 1 - sigmoid(v), sigmoid),
    "total_variation": (lambda v: 2 * sigmoid(2 * v) * sigmoid(-2 * v), lambda v: 2 * sigmoid(2 * v) * sigmoid(-2 * v)),
}


@ALL
@pytest.mark.parametrize("logit", [-10.0, -1.0, 0.0, 0.5, 3.0])
def test_slopes_are_the_closed_forms(row, logit):
    loss, v = named(row), torch.tensor([logit], dtype=torch.float64)
    activation, composite = (function(logit) for function in SLOPES[row])
    assert derivative(loss.real, v).item() == pytest.approx(-activation, rel=1e-8)
    assert derivative(loss.fake, v).item() == pytest.approx(composite, rel=1e-8)
    assert derivative(loss.generator, v).item() == pytest.approx(-activation, rel=1e-8)


@ALL
def test_losses_are_means_of_their_parts(row):
    loss, logits = named(row), random(12, -3, 3).view(3, 1, 2, 2)
    assert loss.real(logits).item() == pytest.approx(-loss.activation(logits).mean().item())
    assert loss.fake(logits).item() == pytest.approx(loss.composite(logits).mean().item())
    torch.testing.assert_close(loss.generator(logits), loss.real(logits))


def test_gans_row_is_the_non_saturating_loss():
    logits = random(100, -30, 30)
    for term in ("real", "fake", "generator"):
        torch.testing.assert_close(getattr(GANDivergence(), term)(logits), getattr(NonSaturating(), term)(logits))


FLOAT32 = [*ROWS, "weighted_js 0.05", "weighted_js 0.95"]


@pytest.mark.parametrize("row", FLOAT32)
@pytest.mark.parametrize("part", ["activation", "composite"])
def test_float32_is_enough(row, part):
    function, logits = getattr(named(row), part), torch.linspace(-50, 50, 2001)
    exact, exact_slope = function(logits.double()), derivative(function, logits.double())
    torch.testing.assert_close(function(logits).double(), exact, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(derivative(function, logits).double(), exact_slope, rtol=1e-5, atol=1e-7)
    assert exact.abs().max() > 0.4


@pytest.mark.parametrize("row", ["js", "weighted_js 0.3", "weighted_js 0.7", "gan", "total_variation"])
def test_those_that_grow_no_faster_than_logits_take_any(row):
    logits = torch.tensor([-1e4, -300.0, -90.0, 90.0, 300.0, 1e4])
    for function in (named(row).activation, named(row).composite):
        torch.testing.assert_close(function(logits).double(), function(logits.double()), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(
            derivative(function, logits).double(), derivative(function, logits.double()), rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("k", [0.5, 1.0, 3.0])
def test_log_one_minus_a_power_of_a_sigmoid(k):
    v = torch.linspace(-20, 20, 81, dtype=torch.float64)
    torch.testing.assert_close(log_one_minus_sigmoid_power(v, k), (1 - v.sigmoid() ** k).log(), rtol=1e-6, atol=1e-15)
    assert log_one_minus_sigmoid_power(torch.tensor(1000.0), k).item() == pytest.approx(log(k) - 1000)


def test_jeffreys_conjugate_is_lamberts_function():
    t = torch.linspace(-50, 50, 1001, dtype=torch.float64)
    w = torch.from_numpy(lambertw((1 - t).exp().numpy()).real)
    torch.testing.assert_close(Jeffrey().conjugate(t), w + 1 / w + t - 2, rtol=1e-12, atol=1e-12)
    t = torch.linspace(-6, 4, 11, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Jeffrey().conjugate, t)
    assert torch.autograd.gradgradcheck(Jeffrey().conjugate, t)


@pytest.mark.parametrize("pi", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_weights_are_between_zero_and_one(pi):
    with pytest.raises(ValueError, match="pi="):
        WeightedJensenShannon(pi=pi)
