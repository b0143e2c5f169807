"""Mescheder et al. 2018, section 2: data at 0, G at theta, D(x) = psi x, and whether the game comes to (0, 0).

The eigenvalues of the game's vector field there are -gamma / 2 +- sqrt(gamma^2 / 4 - f'(0)^2), with f'(0) = 1/2 for the
cross-entropy: D's penalty R1 or R2, and nothing else, brings their real part below zero.
"""

from cmath import sqrt
from itertools import pairwise
from math import pi

import pytest
import torch

from lightning_gans.losses.adversarial import Minimax, NonSaturating, RelativisticPairing
from lightning_gans.losses.divergences import GANDivergence
from lightning_gans.losses.penalties import R1, R2

CROSS_ENTROPIES = [NonSaturating(), Minimax(), GANDivergence()]


def field(loss, penalty, point):
    """(theta, psi) -> where each player's gradient descent takes it."""
    theta, psi = point.unbind()

    def discriminator(x):
        return (psi * x).squeeze(1)

    real, fake = torch.zeros(1, 1, dtype=point.dtype), theta.view(1, 1)
    on_real, on_fake = discriminator(real), discriminator(fake)
    d_loss = sum(loss.discriminator(on_real, on_fake).values()) + penalty(discriminator, real, fake, None)
    (d_psi,) = torch.autograd.grad(d_loss, psi, create_graph=True)
    (d_theta,) = torch.autograd.grad(loss.generator(on_fake, on_real), theta, create_graph=True)
    return -torch.stack([d_theta, d_psi])


def eigenvalues(loss, penalty):
    origin = torch.zeros(2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda point: field(loss, penalty, point), origin)
    return sorted(torch.linalg.eigvals(jacobian).tolist(), key=lambda value: (value.real, value.imag))


def closed_form(gamma):
    root = sqrt(gamma**2 / 4 - 1 / 4)
    return sorted((-gamma / 2 + root, -gamma / 2 - root), key=lambda value: (value.real, value.imag))


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.5, 4.0])
@pytest.mark.parametrize("loss", CROSS_ENTROPIES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("kind", [R1, R2])
def test_eigenvalues_at_the_equilibrium(loss, kind, gamma):
    assert eigenvalues(loss, kind(gamma=gamma)) == pytest.approx(closed_form(gamma), abs=1e-9)


def test_gamma_of_one_is_critical_damping():
    # a double root: rounding of 1e-16 moves it by 1e-8
    assert eigenvalues(NonSaturating(), R1(gamma=1.0)) == pytest.approx([-0.5, -0.5], abs=1e-6)


def test_relativistic_pairing_alone_circles_too():
    assert eigenvalues(RelativisticPairing(), R1(gamma=0.0)) == pytest.approx([-0.5j, 0.5j], abs=1e-9)
    assert all(value.real < -0.04 for value in eigenvalues(RelativisticPairing(), R1(gamma=0.1)))


def path(penalty, *, start, steps=300, rate=0.2):
    """Distances from (0, 0), and angles, along simultaneous gradient steps."""
    point = torch.full((2,), start, dtype=torch.float64)
    radii, angles = [], []
    for _ in range(steps):
        point = (point + rate * field(NonSaturating(), penalty, point.requires_grad_())).detach()
        radii.append(point.norm().item())
        angles.append(torch.atan2(point[1], point[0]).item())
    return radii, angles


def test_without_a_penalty_the_game_circles_and_steps_spiral_outwards():
    radii, angles = path(R1(gamma=0.0), start=0.01)
    assert all(later > earlier for earlier, later in pairwise(radii))
    assert radii[-1] == pytest.approx(radii[0] * abs(1 + 0.2 * 0.5j) ** 299, rel=0.01)
    turns = sum(later - earlier > 3 for earlier, later in pairwise(angles))
    assert turns == pytest.approx(300 * 0.2 * 0.5 / (2 * pi), abs=1)


@pytest.mark.parametrize("gamma", [0.3, 1.0])
def test_with_r1_it_comes_to_the_equilibrium(gamma):
    radii, _ = path(R1(gamma=gamma), start=1.0)
    assert radii[-1] < 1e-3
    assert min(radii[:5]) > 0.1
