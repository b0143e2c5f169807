"""Gulrajani et al. 2017 between two points: the penalised critic, which is not W1, in closed form.

Between points d apart, a critic of slope s has d s - lambda (s - 1)^2, most at s = 1 + d / (2 lambda).
"""

import pytest
import torch

from lightning_gans.losses.adversarial import Wasserstein
from lightning_gans.losses.penalties import GradientPenalty
from tests.helpers.ref_pair import perceptron

BETWEEN = 129


def midpoints(k):
    """Evenly spaced in (0, 1): the mean over them is an integral over eps."""
    assert k == 1
    return ((torch.arange(BETWEEN, dtype=torch.float64) + 0.5) / BETWEEN)[:, None]


@pytest.mark.parametrize("weight, d", [(10.0, 1.0), (10.0, 2.0), (10.0, 5.0), (0.1, 1.0)])
def test_the_penalised_critic_between_two_points(weight, d):
    real, fake = torch.zeros(BETWEEN, 1, dtype=torch.float64), torch.full((BETWEEN, 1), d, dtype=torch.float64)
    critic, loss, penalty = perceptron(16), Wasserstein(), GradientPenalty(weight=weight)
    if critic(real).mean() < critic(fake).mean():
        # The penalty knows norms, not directions: on the line, a critic that starts the wrong way round stays so.
        critic[-1].weight.data.neg_()
    optimizer = torch.optim.LBFGS(critic.parameters(), max_iter=80, tolerance_change=0, line_search_fn="strong_wolfe")

    def terms():
        gap = -sum(loss.discriminator(critic(real), critic(fake)).values())
        return gap, penalty(critic, real, fake, midpoints)

    def closure():
        optimizer.zero_grad()
        gap, paid = terms()
        (paid - gap).backward()
        return paid - gap

    before = terms()[0].item()
    optimizer.step(closure)
    gap, paid = (term.item() for term in terms())
    assert gap == pytest.approx(d * (1 + d / (2 * weight)), rel=0.02)
    assert gap - paid == pytest.approx(d + d**2 / (4 * weight), rel=0.02)
    assert gap - paid < (d + d**2 / (4 * weight)) * (1 + 1e-5)
    assert 0 < before < 0.5 * gap
    assert gap > 1.02 * d  # W1 is d, and the penalty lets the critic go beyond


def test_as_the_weight_grows_the_gap_tends_to_w1():
    gaps = [2 * (1 + 2 / (2 * weight)) for weight in (1, 10, 1000)]
    real, fake = torch.zeros(BETWEEN, 1, dtype=torch.float64), torch.full((BETWEEN, 1), 2.0, dtype=torch.float64)
    for weight, gap in zip((1, 10, 1000), gaps, strict=True):
        slope = torch.tensor(1 + 2 / (2 * weight), dtype=torch.float64, requires_grad=True)

        def critic(x, slope=slope):
            return -slope * x.squeeze(1)

        loss = sum(Wasserstein().discriminator(critic(real), critic(fake)).values())
        total = loss + GradientPenalty(weight=float(weight))(critic, real, fake, midpoints)
        (gradient,) = torch.autograd.grad(total, slope)
        assert -loss.item() == pytest.approx(gap)
        assert gradient.item() == pytest.approx(0, abs=1e-6)
    assert gaps[-1] == pytest.approx(2, rel=2e-3)
