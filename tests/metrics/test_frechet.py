import math

import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from lightning_gans.metrics import frechet
from lightning_gans.metrics.frechet import FeatureStatistics, fid, frechet_distance

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


def ill_conditioned(rows: int, columns: int, smallest: float) -> Tensor:
    """A matrix with singular values from 1 down to `smallest`, and one that is 0."""
    rank = min(rows, columns)
    values = torch.logspace(0, math.log10(smallest), rank, dtype=torch.float64)
    values[-1] = 0
    left, right = torch.linalg.qr(normal(rows, rank))[0], torch.linalg.qr(normal(columns, rank, seed=1))[0]
    return left * values @ right.T


@pytest.mark.parametrize("shape", [(60, 60), (40, 60), (60, 40)])
@pytest.mark.parametrize("smallest", [0.1, 1e-3, 1e-7, 1e-14])
def test_the_nuclear_norm_is_exact_for_small_singular_values(shape: tuple[int, int], smallest: float) -> None:
    matrix = ill_conditioned(*shape, smallest)
    assert frechet._singular(matrix).total == pytest.approx(torch.linalg.svdvals(matrix).sum().item(), rel=1e-12)


@pytest.mark.parametrize("n", [300, 20])
def test_fid_of_features(n: int) -> None:
    real, features = FeatureStatistics.of(normal(100, 50)), normal(n, 50, seed=1).float() + 0.3
    assert fid(real, features).value == pytest.approx(frechet_distance(real, FeatureStatistics.of(features)), rel=1e-12)
    shuffled = features[torch.randperm(n, generator=torch.Generator().manual_seed(0))]
    assert fid(real, shuffled) == pytest.approx(fid(real, features), rel=1e-6)


def test_fid_of_a_set_to_itself_is_zero_with_no_error() -> None:
    x = normal(200, 8) @ normal(8, 8, seed=1)
    assert fid(FeatureStatistics.of(x), x) == pytest.approx((0, 0), abs=1e-6)


@pytest.mark.parametrize(("shift", "n", "low", "high"), [(0.5, 400, 0.8, 1.2), (0.0, 400, 0.0, 1.5)])
def test_the_error_is_the_deviation_over_draws(shift: float, n: int, low: float, high: float) -> None:
    mix = normal(5, 5, seed=9)
    real = FeatureStatistics.of(normal(2000, 5, seed=99) @ mix)
    scale = 1 + shift * torch.arange(5) / 4
    draws = [fid(real, normal(n, 5, seed=seed) * scale @ mix + shift) for seed in range(200)]
    deviation = np.std([found.value for found in draws])
    assert low * deviation <= np.mean([found.error for found in draws]) <= high * deviation


def test_the_error_with_fewer_samples_than_features() -> None:
    real = FeatureStatistics.of(normal(100, 60, seed=99))
    draws = [fid(real, 2 * normal(30, 60, seed=seed) + 1) for seed in range(100)]
    deviation = np.std([found.value for found in draws])
    assert np.mean([found.error for found in draws]) == pytest.approx(deviation, rel=0.25)


def test_the_error_of_many_samples_comes_from_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    real, features = FeatureStatistics.of(normal(500, 6)), 1.5 * normal(3000, 6, seed=1)
    whole = fid(real, features)
    monkeypatch.setattr(frechet, "_SEEN", 1000)
    assert fid(real, features).error == pytest.approx(whole.error, rel=0.1)


@pytest.mark.parametrize("n", [40, 300])
def test_equals_torch_fidelity(n: int) -> None:
    module = pytest.importorskip("torch_fidelity.metric_fid")
    a, b = (normal(n, 64) @ normal(64, 64, seed=2)).float(), (normal(n, 64, seed=1) + 0.2).float()
    statistics = [module.fid_features_to_statistics(x) for x in (a, b)]
    expected = module.fid_statistics_to_metric(*statistics, verbose=False)[module.KEY_METRIC_FID]
    assert fid(FeatureStatistics.of(a), b).value == pytest.approx(expected, abs=1e-4)


def test_moments_serve_as_a_reference() -> None:
    x, y = normal(100, 6) @ normal(6, 6, seed=2), normal(80, 6, seed=1)
    counted = FeatureStatistics.of(x)
    read = FeatureStatistics.from_moments(counted.mean, counted.cov)
    assert fid(read, y) == pytest.approx(fid(counted, y), rel=1e-9)
    with pytest.raises(ValueError, match="unknown number of samples cannot be merged"):
        read.merge(counted)
    with pytest.raises(ValueError, match=r"given \(6,\), \(5, 6\)"):
        FeatureStatistics.from_moments(counted.mean, counted.cov[:5])


def test_fid_refuses_bad_input() -> None:
    real, features = FeatureStatistics.of(normal(20, 3)), normal(10, 3)
    features[2:5, 1] = math.nan
    with pytest.raises(ValueError, match="Features have to be finite; 3 of 10 rows hold NaN or infinity"):
        fid(real, features)
    with pytest.raises(ValueError, match="At least 2 samples are needed; there are 1"):
        fid(real, normal(1, 3))
    with pytest.raises(ValueError, match="they have 3 and 4"):
        fid(real, normal(10, 4))
    with pytest.raises(ValueError, match="their statistics hold NaN"):
        fid(FeatureStatistics.of(features), normal(10, 3))
