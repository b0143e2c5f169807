"""McGAN's metrics: primal and dual come to the same numbers, and the numbers are the norms."""

from functools import partial

import pytest
import torch

from lightning_gans.losses.constraints import onto_ball, onto_stiefel
from lightning_gans.losses.matching import (
    CovarianceMatching,
    DualCovarianceMatching,
    DualMeanMatching,
    JointMatching,
    MeanMatching,
    best_frames,
    covariance_difference,
    mean_difference,
)

ORDER = {1: 1, 2: 2, "inf": float("inf")}
CONJUGATE = {1: "inf", 2: 2, "inf": 1}


def rows(n, m, seed=0):
    return torch.randn(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def features(n=40, m=12):
    """Fixed features of real and fake samples, of other means and other covariances."""
    return rows(n, m) @ rows(m, m, seed=1) / 3 + 0.2, rows(n, m, seed=2) - 0.1


def ipm(matching, real, fake):
    return matching.estimate(sum(matching.discriminator(real, fake).values()))


def ascended(matching, real, fake, *, steps, rate):
    """Result of steps of gradient ascent, one parameter after the other, each step followed by the projection."""
    matching = matching.double()
    matching.project()
    parameters = list(matching.parameters())
    for step in range(steps):
        parameter = parameters[step % len(parameters)]
        (gradient,) = torch.autograd.grad(ipm(matching, real, fake), parameter)
        with torch.no_grad():
            parameter += rate * gradient
        matching.project()
    return ipm(matching, real, fake).item()


# Means


@pytest.mark.parametrize("q", ORDER)
def test_the_projected_primal_comes_to_the_norm_of_the_difference_of_means(q):
    real, fake = features()
    norm = torch.linalg.vector_norm(real.mean(0) - fake.mean(0), ORDER[q]).item()
    assert ascended(MeanMatching(12, q=q), real, fake, steps=50, rate=100.0) == pytest.approx(norm, rel=1e-10)


@pytest.mark.parametrize("q", ORDER)
def test_the_dual_is_the_norm_and_has_its_gradient(q):
    real, fake = features()
    difference = mean_difference(real, fake).requires_grad_()
    norm = torch.linalg.vector_norm(difference, ORDER[q])
    (expected,) = torch.autograd.grad(norm, difference)
    real.requires_grad_()
    value = ipm(DualMeanMatching(12, q=q), real, fake)
    torch.testing.assert_close(value, norm)
    (gradient,) = torch.autograd.grad(value, real)
    torch.testing.assert_close(gradient, expected.expand(40, -1) / 40)


@pytest.mark.parametrize("q", ORDER)
def test_equal_means_are_at_no_distance(q):
    real, _ = features()
    real = (real - real.mean(0)).requires_grad_()
    value = ipm(DualMeanMatching(12, q=q), real, torch.zeros(1, 12, dtype=real.dtype))
    assert value.abs() < 1e-14
    assert torch.autograd.grad(value, real)[0].isfinite().all()


# Covariances


@pytest.mark.parametrize("k", [1, 3, 12])
def test_alternating_ascent_comes_to_the_ky_fan_norm(k):
    real, fake = features()
    values = torch.linalg.svdvals(covariance_difference(real, fake))
    expected = values[:k].sum().item()
    if k == 12:
        assert expected == pytest.approx(torch.linalg.matrix_norm(covariance_difference(real, fake), "nuc").item())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        matching = CovarianceMatching(12, k=k)
    assert ascended(matching, real, fake, steps=400, rate=10.0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("k", [1, 3, 12])
@pytest.mark.parametrize("n", [40, 3])
def test_the_dual_is_the_ky_fan_norm_and_has_its_gradient(k, n):
    """n = 3: six samples span fewer directions than there are features."""
    real, fake = features(n=n)
    real.requires_grad_()
    u, values, vh = torch.linalg.svd(covariance_difference(real, fake))
    norm = values[:k].sum()
    value = ipm(DualCovarianceMatching(12, k=k), real, fake)
    torch.testing.assert_close(value, norm)
    largest = [j for j in range(k) if values[j] > 1e-9]
    subgradient = (u[:, largest] @ vh[largest]).detach()  # of the norm by dSigma
    (gradient,) = torch.autograd.grad(value, real)
    torch.testing.assert_close(gradient, 2 * real.detach() @ subgradient / n)


def test_the_best_frames_are_orthonormal_and_diagonalise():
    real, fake = (x.float() for x in features())
    u, v = best_frames(real, fake, 5)
    assert (u.T @ u - torch.eye(5)).abs().max() < 1e-5
    assert (v.T @ v - torch.eye(5)).abs().max() < 1e-5
    product = u.T @ covariance_difference(real, fake) @ v
    torch.testing.assert_close(product, product.diagonal().diag(), atol=1e-5, rtol=0)
    assert product.diagonal().min() > 0


def test_moments_are_means_of_outer_products_of_samples_and_not_centred():
    real, fake = features(n=5, m=3)
    expected = sum(torch.outer(x, x) for x in real) / 5 - sum(torch.outer(x, x) for x in fake) / 5
    torch.testing.assert_close(covariance_difference(real, fake), expected)
    shifted = covariance_difference(real + 1, fake)
    assert (shifted - expected).abs().max() > 0.5
    matching = CovarianceMatching(3, k=2).double()
    trace = torch.trace(matching.U.T @ expected @ matching.V)
    torch.testing.assert_close(ipm(matching, real, fake), trace)


# Both


def test_the_joint_metric_is_the_sum():
    real, fake = features()
    mean, covariance = partial(DualMeanMatching, q=2), partial(CovarianceMatching, k=3)
    joint = JointMatching(12, mean=mean, covariance=covariance).double()
    expected = ipm(joint.mean, real, fake) + ipm(joint.covariance, real, fake)
    torch.testing.assert_close(ipm(joint, real, fake), expected)
    assert joint.needs_real
    assert not JointMatching(12, mean=partial(MeanMatching, q=2), covariance=covariance).needs_real
    with torch.no_grad():
        joint.covariance.U.mul_(2)
    joint.project()
    assert (joint.covariance.U.norm(dim=0) - 1).abs().max() < 1e-12


MATCHINGS = [
    partial(MeanMatching, q=1),
    partial(CovarianceMatching, k=3),
    partial(DualMeanMatching, q=1),
    partial(DualCovarianceMatching, k=3),
]


@pytest.mark.parametrize("made", MATCHINGS, ids=lambda made: made.func.__name__)
def test_g_descends_what_d_ascends(made):
    real, fake = features()
    matching = made(12).double()
    fake.requires_grad_()
    loss = matching.generator(fake, real if matching.needs_real else None)
    descended = torch.autograd.grad(loss, fake)[0]
    ascended = torch.autograd.grad(ipm(matching, real, fake), fake)[0]
    torch.testing.assert_close(descended, ascended)
    assert descended.abs().max() > 0
    if matching.needs_real:
        torch.testing.assert_close(loss, ipm(matching, real, fake))


@pytest.mark.parametrize("made", MATCHINGS, ids=lambda made: made.func.__name__)
def test_half_precision_features_are_matched_in_full(made):
    real, fake = (x.bfloat16() for x in features())
    matching = made(12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halves = ipm(matching, real, fake)
    assert halves.dtype == torch.float32
    torch.testing.assert_close(halves, ipm(matching, real.float(), fake.float()), rtol=1e-6, atol=0)


def test_what_cannot_be_matched_is_refused():
    with pytest.raises(ValueError, match="1 to 4 orthonormal"):
        CovarianceMatching(4, k=5)
    with pytest.raises(ValueError, match="1, 2 or 'inf'"):
        MeanMatching(4, q=3)


# Projections


@pytest.mark.parametrize("p", ORDER)
def test_the_projection_is_the_nearest_point_of_the_ball(p):
    for seed in range(20):
        v = rows(7, 1, seed=seed).squeeze()
        nearest = onto_ball(v, p)
        assert torch.linalg.vector_norm(nearest, ORDER[p]) <= 1 + 1e-12
        # (v - nearest) is normal to the ball there: no other point of it lies further along
        normal = v - nearest
        dual = torch.linalg.vector_norm(normal, ORDER[CONJUGATE[p]])
        torch.testing.assert_close(normal @ nearest, dual)


@pytest.mark.parametrize("p", ORDER)
def test_points_inside_the_ball_stay(p):
    v = torch.tensor([0.2, -0.3, 0.0])
    assert torch.equal(onto_ball(v, p), v)


def test_a_frame_is_its_own_retraction_and_does_not_turn_over():
    x = rows(9, 4)
    frame = onto_stiefel(x)
    assert (frame.T @ frame - torch.eye(4)).abs().max() < 1e-12
    assert ((frame.T @ x).diagonal() > 0).all()
    torch.testing.assert_close(onto_stiefel(frame), frame)
    nudged = onto_stiefel(frame + 1e-4 * rows(9, 4, seed=1))
    assert (nudged - frame).abs().max() < 1e-3  # torch's own Q has columns of either sign
    raw = torch.linalg.qr(frame).Q
    assert (raw - frame).abs().max() > 0.1
