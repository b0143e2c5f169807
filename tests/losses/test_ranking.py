"""One query and eight documents: whatever is drawn can also be counted."""

import pytest
import torch

from lightning_gans.core.rng import stream
from lightning_gans.losses.ranking import (
    draw,
    hardest,
    importance_mixture,
    log_policy,
    pairwise_logistic,
    policy_gradient,
)

SCORES = torch.tensor([[0.3, -1.0, 0.8, 0.0, 1.5, -0.4, 0.1, 0.9]])
REWARD = torch.tensor([[0.9, -0.8, 0.1, 0.4, -0.6, 0.7, -0.2, 0.3]])
RELEVANT = torch.tensor([[True, False, False, True, False, True, False, False]])
ALL = torch.ones(1, 8, dtype=torch.bool)
DRAWS = 200_000


def exact():
    """The gradient of -E_{p_theta}[r] in the scores."""
    scores = SCORES.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(-(log_policy(scores, ALL).exp() * REWARD).sum(), scores)
    return gradient


def estimates(share, *, baseline, key, n=DRAWS):
    """Estimates of that gradient, one for each of n draws, (n, 8): each is w (r - b) (p - one-hot)."""
    log_p = log_policy(SCORES, ALL)
    p = log_p.exp()
    proposal = importance_mixture(p, RELEVANT, share)
    drawn = draw(proposal, torch.rand(1, n, generator=stream("draws", key)))
    advantage = REWARD - (p * REWARD).sum() * baseline
    scores = SCORES.clone().requires_grad_()
    (mean,) = torch.autograd.grad(policy_gradient(log_policy(scores, ALL), drawn, advantage, proposal), scores)
    weight = (p / proposal * advantage)[0, drawn[0]]
    each = (weight[:, None] * (p - torch.nn.functional.one_hot(drawn[0], 8))).double()
    assert torch.allclose(each.mean(0), mean[0].double(), atol=1e-4)  # what is descended is the mean of these
    return each


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("baseline", [False, True])
def test_the_mean_of_reinforce_is_the_exact_gradient(share, baseline):
    each = estimates(share, baseline=baseline, key="mean")
    error = (each.mean(0) - exact()[0]).abs()
    assert error.max() < 2e-3
    assert (error < 4.5 * each.std(0) / DRAWS**0.5).all()


def test_without_the_weights_the_mixture_would_climb_another_hill():
    p = log_policy(SCORES, ALL).exp()
    proposal = importance_mixture(p, RELEVANT, 0.2)
    drawn = draw(proposal, torch.rand(1, DRAWS, generator=stream("unweighted")))
    each = REWARD[0, drawn[0]][:, None] * (p - torch.nn.functional.one_hot(drawn[0], 8))
    assert (each.mean(0) - exact()[0]).abs().max() > 0.02


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_baseline_lowers_the_variance(share):
    shifted = REWARD + 2  # whatever a reward's zero is
    p = log_policy(SCORES, ALL).exp()
    proposal = importance_mixture(p, RELEVANT, share)
    drawn = draw(proposal, torch.rand(1, 20_000, generator=stream("variance")))[0]
    towards = p - torch.nn.functional.one_hot(drawn, 8)
    variance = []
    for advantage in (shifted, shifted - (p * shifted).sum()):
        variance.append(((p / proposal * advantage)[0, drawn][:, None] * towards).var(0).sum())
    assert variance[1] < 0.5 * variance[0]


def test_the_mixture_is_a_distribution_with_its_share_of_the_relevant():
    p = log_policy(SCORES, ALL).exp()
    proposal = importance_mixture(p, RELEVANT, 0.2)
    assert proposal.sum().item() == pytest.approx(1)
    assert torch.allclose(proposal - 0.8 * p, 0.2 / 3 * RELEVANT.float())


def test_draws_come_as_often_as_their_weights_say_and_never_where_there_is_none():
    weights = torch.tensor([[0.0, 1.0, 0.0, 3.0, 0.0], [2.0, 0.0, 0.0, 0.0, 2.0]])
    edges = torch.tensor([0.0, 1 - 2**-24]).expand(2, 2)
    assert draw(weights, edges).tolist() == [[1, 3], [0, 4]]
    drawn = draw(weights, torch.rand(2, 40_000, generator=stream("often")))
    shares = torch.stack([(drawn == d).float().mean(1) for d in range(5)], 1)
    assert (shares - weights / weights.sum(1, keepdim=True)).abs().max() < 0.01
    last = torch.tensor([[1.0, 1.0, 0.0]]) / 3
    assert draw(last, torch.tensor([[1 - 2**-24]])).item() == 1


def test_a_policy_is_over_the_candidates_at_its_temperature():
    candidate = ALL.clone()
    candidate[0, 4] = False
    p = log_policy(SCORES, candidate, temperature=0.2).exp()
    assert p[0, 4] == 0
    assert p.sum().item() == pytest.approx(1)
    assert (p[0, 2] / p[0, 0]).log().item() == pytest.approx((0.8 - 0.3) / 0.2, rel=1e-5)


def test_the_hardest_negative_is_the_best_of_each_few():
    drawn = torch.tensor([[1, 0, 5, 4, 3, 3]])
    scores = SCORES.gather(1, drawn)
    assert torch.equal(scores.gather(1, hardest(scores, 3)), torch.tensor([[0.3, 1.5]]))
    better, worse = torch.tensor([0.0, 2.0]), torch.tensor([0.0, 1.0])
    assert pairwise_logistic(better, worse).tolist() == pytest.approx([0.693147, 0.313262], rel=1e-5)
