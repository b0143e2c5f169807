import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from lightning_gans.metrics.frechet import FeatureStatistics, frechet_distance

D = 16


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(mean: Tensor, cov: Tensor) -> FeatureStatistics:
    """Statistics with exactly this mean and covariance."""
    return FeatureStatistics(101, mean.double(), cov.double() * 100)


def test_closed_forms() -> None:
    standard = gaussian(torch.zeros(D), torch.eye(D))
    assert frechet_distance(standard, gaussian(torch.full((D,), 3.0), torch.eye(D))) == pytest.approx(9 * D, rel=1e-12)
    assert frechet_distance(standard, gaussian(torch.zeros(D), 4 * torch.eye(D))) == pytest.approx(D, rel=1e-12)
    assert frechet_distance(standard, standard) == pytest.approx(0, abs=1e-12)


def test_samples_come_near_the_closed_form() -> None:
    a, b = FeatureStatistics.of(normal(20_000, D)), FeatureStatistics.of(2 * normal(20_000, D, seed=1) + 3)
    assert frechet_distance(a, b) == pytest.approx(9 * D + D, rel=0.02)


@pytest.mark.parametrize("n", [500, 40])
def test_equals_scipy_on_full_rank(n: int) -> None:
    mix = normal(D, D, seed=2)
    a, b = FeatureStatistics.of(normal(n, D) @ mix), FeatureStatistics.of(normal(n, D, seed=1) @ mix.T + 0.1)
    root = scipy.linalg.sqrtm((a.cov @ b.cov).numpy())
    expected = ((a.mean - b.mean).square().sum() + (a.cov + b.cov).trace()).item() - 2 * np.trace(root).real
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)


def test_singular_covariances() -> None:
    # Rank one each: Tr (a a' b b')^(1/2) = |<a, b>|.
    a, b = normal(D), normal(D, seed=1)
    expected = (a.square().sum() + b.square().sum() - 2 * (a @ b).abs()).item()
    zero = torch.zeros(D)
    assert frechet_distance(gaussian(zero, torch.outer(a, a)), gaussian(zero, torch.outer(b, b))) == pytest.approx(
        expected, rel=1e-12
    )
    # Fewer samples than features, features without variance, and all samples alike.
    few = normal(10, 50)
    few[:, :5] = 7.0
    same = FeatureStatistics.of(few)
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-10)
    constant = FeatureStatistics.of(torch.ones(10, 50))
    expected = ((same.mean - 1).square().sum() + same.cov.trace()).item()
    assert frechet_distance(constant, same) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(constant, constant) == 0


def test_statistics_and_merge() -> None:
    x = (1000 + normal(9000, 5)).float()
    whole = FeatureStatistics.of(x)
    assert whole.n == 9000
    torch.testing.assert_close(whole.mean, x.double().mean(0), rtol=1e-14, atol=0)
    torch.testing.assert_close(whole.cov, x.double().T.cov(), rtol=1e-9, atol=1e-12)
    merged = FeatureStatistics.empty(5)
    for part in x.split([1, 17, 982, 8000]):
        merged = merged.merge(FeatureStatistics.of(part))
    assert merged.n == 9000
    torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-14, atol=0)
    torch.testing.assert_close(merged.cov, whole.cov, rtol=1e-10, atol=1e-12)
    assert frechet_distance(merged, whole) == pytest.approx(0, abs=1e-10)


def test_what_cannot_be_measured() -> None:
    two = FeatureStatistics.of(normal(2, 3))
    broken = FeatureStatistics.of(torch.tensor([[0.0, 1.0, math.nan], [1.0, 2.0, 3.0]]))
    assert math.isnan(frechet_distance(two, broken))
    with pytest.raises(ValueError, match="at least 2 samples; there are 1"):
        frechet_distance(two, FeatureStatistics.of(normal(1, 3)))
    with pytest.raises(ValueError, match="they have 3 and 4"):
        frechet_distance(two, FeatureStatistics.of(normal(5, 4)))
    with pytest.raises(ValueError, match=r"\(N, d\)"):
        FeatureStatistics.of(normal(2, 3, 4))
