"""Goodfellow et al. 2014: golden numbers, gradients and the analytic optimum of the cross-entropy game."""

from math import exp, log

import pytest
import torch
from torch import nn

from lightning_gans.losses.adversarial import Minimax, NonSaturating

BOTH = [Minimax(), NonSaturating()]
DISCRIMINATOR_OPTIMUM = 1.322101  # 2 log 2 - 2 JSD(P, Q) of P = N(0, 1), Q = N(0.5, 1.2^2)


def slope(loss, logit):
    x = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(x), x)
    return gradient.item()


def sigmoid(t):
    return 1 / (1 + exp(-t))


@pytest.mark.parametrize("logit", [-10.0, -1.0, 0.0, 2.0, 10.0])
def test_slopes_are_the_closed_forms(logit):
    assert slope(Minimax().generator, logit) == pytest.approx(-sigmoid(logit), rel=1e-9)
    assert slope(NonSaturating().generator, logit) == pytest.approx(-(1 - sigmoid(logit)), rel=1e-9)
    for loss in BOTH:
        assert slope(loss.real, logit) == pytest.approx(-(1 - sigmoid(logit)), rel=1e-9)
        assert slope(loss.fake, logit) == pytest.approx(sigmoid(logit), rel=1e-9)


def test_when_d_is_sure_one_generator_loss_saturates_and_the_other_does_not():
    assert slope(Minimax().generator, -10) == pytest.approx(-4.54e-5, abs=1e-7)
    assert slope(NonSaturating().generator, -10) == pytest.approx(-0.99995, abs=1e-5)


def test_values_where_d_cannot_tell():
    zero = torch.zeros(5)
    for loss in BOTH:
        assert (loss.real(zero) + loss.fake(zero)).item() == pytest.approx(2 * log(2), abs=1e-6)
    assert Minimax().generator(zero).item() == pytest.approx(-0.693147, abs=1e-6)
    assert NonSaturating().generator(zero).item() == pytest.approx(0.693147, abs=1e-6)


@pytest.mark.parametrize("loss", BOTH, ids=lambda loss: type(loss).__name__)
def test_float32_is_enough_for_logits_of_any_size(loss):
    logits = torch.tensor([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4])
    for term in (loss.real, loss.fake, loss.generator):
        for logit in logits:
            x = logit.clone().requires_grad_()
            value = term(x[None])
            (gradient,) = torch.autograd.grad(value, x)
            exact = logit.double().requires_grad_()
            exact_value = term(exact[None])
            (exact_gradient,) = torch.autograd.grad(exact_value, exact)
            torch.testing.assert_close(value.double(), exact_value, rtol=1e-6, atol=1e-30)
            torch.testing.assert_close(gradient.double(), exact_gradient, rtol=1e-6, atol=1e-30)
    assert loss.real(logits[:1]).item() == 1e4  # and no infinity where a log of a sigmoid would have one
    assert loss.fake(logits[-1:]).item() == 1e4


@pytest.mark.parametrize("shape", [(), (7,), (7, 1), (3, 1, 4, 4)])
def test_logits_of_any_shape_are_averaged(shape):
    logits = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for loss in BOTH:
        for term in (loss.real, loss.fake, loss.generator):
            each = torch.stack([term(logit) for logit in logits.flatten()])
            torch.testing.assert_close(term(logits), each.mean())
            assert term(logits).shape == ()


# P = N(0, 1) and Q = N(0.5, 1.2^2) on the line, expectations by quadrature


def density(x, mean, std):
    return torch.distributions.Normal(mean, std).log_prob(x).exp()


GRID = torch.linspace(-9, 9, 361, dtype=torch.float64)
STEP = (GRID[1] - GRID[0]).item()  # sums of smooth densities are exact to rounding on such a grid
P, Q = density(GRID, 0.0, 1.0), density(GRID, 0.5, 1.2)
LOG_RATIO = (P / Q).log()


def discriminator_loss(loss, logits):
    """E_P[real(D)] + E_Q[fake(D)] of logits on the grid."""
    real, fake = torch.vmap(loss.real)(logits[:, None]), torch.vmap(loss.fake)(logits[:, None])
    return ((P * real + Q * fake) * STEP).sum()


@pytest.mark.parametrize("loss", BOTH, ids=lambda loss: type(loss).__name__)
def test_a_free_discriminator_is_at_its_least_at_log_p_over_q(loss):
    optimum = LOG_RATIO.clone().requires_grad_()
    least = discriminator_loss(loss, optimum)
    assert least.item() == pytest.approx(DISCRIMINATOR_OPTIMUM, abs=2e-6)
    (gradient,) = torch.autograd.grad(least, optimum)
    assert gradient.abs().max() < 1e-12
    for change in (0.1, -0.1, 0.1 * GRID.sin()):
        assert discriminator_loss(loss, LOG_RATIO + change) > least + 1e-4


def test_a_small_network_comes_to_the_optimum_from_above():
    loss = NonSaturating()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)).double()
    optimizer = torch.optim.LBFGS(network.parameters(), max_iter=40, line_search_fn="strong_wolfe")
    seen = []

    def closure():
        optimizer.zero_grad()
        value = discriminator_loss(loss, network(GRID[:, None] / 2).squeeze(1))
        value.backward()
        seen.append(value.item())
        return value

    optimizer.step(closure)
    assert min(seen) > DISCRIMINATOR_OPTIMUM - 2e-6
    assert seen[0] > 1.05 * DISCRIMINATOR_OPTIMUM
    assert min(seen) < 1.01 * DISCRIMINATOR_OPTIMUM
    seen_by_both = GRID.abs() < 2.5
    error = network(GRID[:, None] / 2).squeeze(1) - LOG_RATIO
    assert error[seen_by_both].abs().max() < 0.1
