"""Optimum of each objective's D between P = N(0, 1) and Q = N(0.5, 1.2^2): least loss, shape and divergence."""

from math import log

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import orthogonal

from lightning_gans.losses.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
)
from tests.helpers.ref_pair import (
    GRID,
    LOG_RATIO,
    STEP,
    P,
    Q,
    descend,
    discriminator_loss,
    integral,
    paired_loss,
    perceptron,
)

JS = 0.064194 / 2
LE_CAM = integral((P - Q).square() / (P + Q)).item() / 2
TOTAL_VARIATION = 0.192988
W1 = 0.500802

# loss, the least of D's, the divergence it stands for
CASES = {
    "minimax": (Minimax(), 1.322101, JS),
    "non-saturating": (NonSaturating(), 1.322101, JS),
    "least squares 0, 1": (LeastSquares(), 0.234868, LE_CAM),
    "least squares -1, 1": (LeastSquares(a=-1.0, b=1.0, c=0.0), 4 * 0.234868, LE_CAM),
    "hinge": (Hinge(), 1.614023, TOTAL_VARIATION),
}
EVERY = pytest.mark.parametrize("name", CASES)
CENTRE = GRID.abs() < 2.5  # where both densities are


def optimum(loss):
    """D* on the grid."""
    if isinstance(loss, LeastSquares):
        return (loss.b * P + loss.a * Q) / (P + Q)
    return LOG_RATIO.sign() if isinstance(loss, Hinge) else LOG_RATIO.clone()


@EVERY
def test_a_small_network_comes_to_the_least_loss_from_above(name):
    loss, least, divergence = CASES[name]
    network = perceptron(16, 16)
    seen = descend(network, lambda logits: discriminator_loss(loss, logits))
    assert min(seen) > least - 1e-4 * least
    assert min(seen) == pytest.approx(least, rel=0.01)
    assert seen[0] != pytest.approx(least, rel=0.05)
    assert loss.estimate(torch.tensor(min(seen))).item() == pytest.approx(divergence, rel=0.05)
    if not isinstance(loss, Hinge):  # whose optimum jumps
        error = network(GRID[:, None] / 2).squeeze(1) - optimum(loss)
        assert error[CENTRE].abs().max() < 0.03


@EVERY
def test_a_linear_discriminator_does_not_come_to_it(name):
    loss, least, _ = CASES[name]
    seen = descend(perceptron(), lambda logits: discriminator_loss(loss, logits), steps=30)
    assert min(seen) > 1.01 * least


@EVERY
def test_a_free_discriminator_is_at_its_least_at_the_closed_form(name):
    loss, value, divergence = CASES[name]
    logits = optimum(loss)
    least = discriminator_loss(loss, logits)
    assert least.item() == pytest.approx(value, rel=1e-4)  # on this grid hinge's kinks cost 8e-5
    assert loss.estimate(least).item() == pytest.approx(divergence, abs=1e-4)
    for change in (0.1, -0.1, 0.1 * GRID.sin()):
        assert discriminator_loss(loss, logits + change) > least + 1e-4
    if not isinstance(loss, Hinge):
        logits.requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator_loss(loss, logits), logits)
        assert gradient.abs().max() < 1e-12


@EVERY
def test_against_a_perfect_generator_d_is_flat_and_the_divergence_is_none(name):
    loss, *_ = CASES[name]
    logits = torch.full((8,), loss.boundary, dtype=torch.float64, requires_grad=True)
    value = sum(loss.discriminator(logits, logits).values())
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient.abs().max() < 1e-12
    assert loss.estimate(value).item() == pytest.approx(0, abs=1e-12)


def test_with_the_labels_of_equation_8_g_descends_pearsons_chi2():
    """Mao et al. 2016, eq. 13: for b - c = 1 and b - a = 2, twice G's loss over p + q at D* is chi2(p + q || 2 q)."""
    loss = LeastSquares(a=-1.0, b=1.0, c=0.0)
    at_optimum = torch.vmap(loss.generator)(optimum(loss)[:, None])
    pearson = integral((P + Q - 2 * Q).square() / (P + Q)).item()
    assert (2 * integral((P + Q) * at_optimum)).item() == pytest.approx(pearson, rel=1e-9)
    assert pearson == pytest.approx(2 * LE_CAM, rel=1e-9)


# Relativistic: D(x) against D(y)


def joint():
    """JSD between (x real, y fake) and (x fake, y real), over pairs of the grid."""
    a, b = torch.outer(P, Q), torch.outer(Q, P)
    mixture = (a + b) / 2
    return ((a * (a / mixture).log() + b * (b / mixture).log()).sum() * STEP**2 / 2).item()


def test_relativistic_pairing_comes_to_log_p_over_q_up_to_a_constant():
    loss, network, least = RelativisticPairing(), perceptron(16, 16), log(2) - joint()
    seen = descend(network, lambda logits: paired_loss(loss, logits))
    assert min(seen) > least - 1e-5
    assert min(seen) == pytest.approx(least, rel=0.01)
    assert seen[0] > 1.05 * least
    assert loss.estimate(torch.tensor(min(seen))).item() == pytest.approx(2 * joint(), rel=0.01)
    error = (network(GRID[:, None] / 2).squeeze(1) - LOG_RATIO)[CENTRE]
    assert (error - error.mean()).abs().max() < 0.03


@pytest.mark.parametrize("constant", [0.0, -3.0, 100.0])
def test_relativistic_pairing_has_its_least_at_every_constant(constant):
    loss = RelativisticPairing()
    logits = (LOG_RATIO + constant).requires_grad_()
    least = paired_loss(loss, logits)
    assert least.item() == pytest.approx(log(2) - joint(), abs=1e-6)
    (gradient,) = torch.autograd.grad(least, logits)
    assert gradient.abs().max() < 1e-12
    assert paired_loss(loss, logits + 0.1 * GRID.sin()) > least + 1e-4


@pytest.mark.parametrize("loss", [RelativisticPairing(), RelativisticAverage()])
def test_relativistic_losses_take_no_notice_of_a_constant(loss):
    generator = torch.Generator().manual_seed(0)
    on_real, on_fake = torch.randn(2, 50, generator=generator, dtype=torch.float64)
    moved = loss.discriminator(on_real + 7, on_fake + 7)
    for name, value in loss.discriminator(on_real, on_fake).items():
        torch.testing.assert_close(moved[name], value)
    torch.testing.assert_close(loss.generator(on_fake + 7, on_real + 7), loss.generator(on_fake, on_real))
    assert loss.estimate(sum(loss.discriminator(on_real * 0, on_fake * 0).values())).item() == pytest.approx(
        0, abs=1e-9
    )


# Wasserstein


class Sorted(nn.Module):
    """A critic that is 1-Lipschitz whatever its weights: orthonormal layers, pairs sorted between them."""

    def __init__(self, width):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            layers = [nn.Linear(1, width), nn.Linear(width, width), nn.Linear(width, 1)]
        self.layers = nn.ModuleList(orthogonal(layer.double()) for layer in layers)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = layer(x).unflatten(-1, (-1, 2)).sort(-1).values.flatten(-2)
        return 2 * self.layers[-1](x)  # `descend` gives it x / 2


def test_a_critic_of_slope_one_reaches_w1_and_never_exceeds_it():
    critic, loss = Sorted(8), Wasserstein()
    seen = descend(critic, lambda logits: discriminator_loss(loss, logits), steps=60)
    estimates = [loss.estimate(torch.tensor(value)).item() for value in seen]
    assert max(estimates) < W1 + 1e-6
    assert max(estimates) == pytest.approx(W1, rel=0.01)
    assert abs(estimates[0] / W1 - 1) > 0.1
    slopes = critic(GRID[:, None] / 2).squeeze(1).diff() / STEP
    assert slopes.abs().max() < 1 + 1e-9


def test_the_best_critic_rises_to_where_the_distribution_functions_cross():
    """-|x + 2.5|: W1 is the integral of |F_P - F_Q|, and these are equal at -2.5 alone."""
    loss, critic = Wasserstein(), -(GRID + 2.5).abs()
    assert loss.estimate(discriminator_loss(loss, critic)).item() == pytest.approx(W1, abs=1e-5)
    assert loss.estimate(discriminator_loss(loss, 3 * critic)).item() == pytest.approx(3 * W1, abs=3e-5)  # K W1
    assert loss.estimate(discriminator_loss(loss, -GRID)).item() == pytest.approx(0.5, abs=1e-6)
