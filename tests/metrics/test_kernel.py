import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from lightning_gans.metrics import kernel
from lightning_gans.metrics.kernel import kernel_distance, polynomial_mmd2
from lightning_gans.metrics.order import canonical_order


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_mmd2_is_its_definition() -> None:
    x, y = normal(6, 3).double(), normal(5, 3, seed=1).double() + 0.5

    def k(a: Tensor, b: Tensor) -> float:
        return ((a @ b).item() * 0.7 + 2.0) ** 2

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    between = mean([k(a, b) for a in x for b in y])
    unbiased = sum(mean([k(a, b) for a, b in itertools.permutations(z, 2)]) for z in (x, y)) - 2 * between
    biased = sum(mean([k(a, b) for a in z for b in z]) for z in (x, y)) - 2 * between
    options = {"degree": 2, "coef0": 2.0, "gamma": 0.7}
    assert polynomial_mmd2(x, y, **options).item() == pytest.approx(unbiased, rel=1e-12)
    assert polynomial_mmd2(x, y, **options, biased=True).item() == pytest.approx(biased, rel=1e-12)


def test_mmd2_agrees_with_torchmetrics() -> None:
    x, y = normal(50, 8).double(), normal(50, 8, seed=1).double() + 0.3
    assert polynomial_mmd2(x, y).item() == pytest.approx(
        poly_mmd(x, y, degree=3, gamma=None, coef=1.0).item(), rel=1e-12
    )


def test_equal_distributions_score_zero_only_without_bias() -> None:
    pairs = normal(500, 2, 100, 16)
    unbiased = torch.stack([polynomial_mmd2(x, y) for x, y in pairs])
    biased = torch.stack([polynomial_mmd2(x, y, biased=True) for x, y in pairs[:100]])
    assert unbiased.std().item() == pytest.approx(0.0238, rel=0.15)
    assert abs(unbiased.mean().item()) < 3 * 0.0238 / 500**0.5
    assert biased.mean().item() == pytest.approx(0.1517, rel=0.05)


def test_kernel_distance() -> None:
    real, near, far = normal(300, 16), normal(200, 16, seed=1), normal(200, 16, seed=2) + 0.5
    low, high = kernel_distance(real, near, subset_size=100), kernel_distance(real, far, subset_size=100)
    assert abs(low.mean) < 0.02
    assert 0.2 < high.mean < 2
    assert 0.01 < low.std < 0.05
    assert kernel_distance(real, near, subset_size=100) == low
    assert kernel_distance(real, near, subset_size=100, seed=1) != low
    # The whole of both sets: every subset is the same one.
    whole = kernel_distance(near, far, subsets=3)
    assert whole.mean == pytest.approx(polynomial_mmd2(near, far).item(), rel=1e-9)
    assert whole.std == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("size", [1, 11])
def test_a_subset_size_that_does_not_fit(size: int) -> None:
    with pytest.raises(ValueError, match=f"subset_size={size} does not fit: choose 2 to 10"):
        kernel_distance(normal(10, 2), normal(20, 2), subset_size=size)


@pytest.mark.parametrize("subsets", [2, 30])  # one by one, and all together
def test_subsets_are_those_of_the_direct_computation(subsets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_TILE", 7)
    real, fake = normal(90, 12), normal(80, 12, seed=1) + 0.2
    orders = canonical_order(real), canonical_order(fake)
    generator = torch.Generator().manual_seed(3)
    values, variances = [], []
    for _ in range(subsets):
        x, y = (
            z[order[torch.randperm(len(order), generator=generator)[:20]]].double()
            for z, order in zip((real, fake), orders, strict=True)
        )
        values.append(polynomial_mmd2(x, y).item())
        own, between = (y @ y.T / 12 + 1) ** 3, (y @ x.T / 12 + 1) ** 3
        psi = 2 * ((own.sum(1) - own.diagonal()) / 19 - between.mean(1))
        variances.append(psi.var().item())
    expected = np.mean(values), np.std(values), math.sqrt(np.mean(variances) / 80)
    assert kernel_distance(real, fake, subsets=subsets, subset_size=20, seed=3) == pytest.approx(expected, rel=1e-9)


def test_the_order_of_samples_changes_nothing() -> None:
    real, fake = normal(200, 16), normal(150, 16, seed=1) + 0.3
    found = kernel_distance(real, fake, subset_size=50)
    shuffle = torch.Generator().manual_seed(0)
    moved = kernel_distance(
        real[torch.randperm(200, generator=shuffle)], fake[torch.randperm(150, generator=shuffle)], subset_size=50
    )
    assert moved == pytest.approx(found, abs=1e-9)


def test_the_error_is_the_deviation_over_draws() -> None:
    real = normal(300, 8, seed=999)
    draws = [
        kernel_distance(real, 1.2 * normal(100, 8, seed=seed) + 0.2, subset_size=100, subsets=10) for seed in range(200)
    ]
    deviation = np.std([found.mean for found in draws])
    assert np.mean([found.error for found in draws]) == pytest.approx(deviation, rel=0.2)


def test_against_torch_fidelity_on_whole_sets() -> None:
    module = pytest.importorskip("torch_fidelity.metric_kid")
    real, fake = normal(60, 32).relu(), normal(60, 32, seed=1).relu() + 0.1
    kernel_settings = {"kid_kernel": "poly", "kid_kernel_poly_degree": 3, "kid_kernel_poly_coef0": 1.0}
    expected = module.kid_features_to_metric(
        real.double(),
        fake.double(),
        **kernel_settings,
        kid_kernel_poly_gamma=None,
        kid_subsets=3,
        kid_subset_size=60,
        rng_seed=0,
        verbose=False,
    )
    assert kernel_distance(real, fake).mean == pytest.approx(expected[module.KEY_METRIC_KID_MEAN], abs=1e-9)


def test_bad_input() -> None:
    broken = normal(10, 2)
    broken[4] = math.inf
    with pytest.raises(ValueError, match="Features have to be finite; 1 of 10 rows hold NaN or infinity"):
        kernel_distance(normal(10, 2), broken)
    with pytest.raises(ValueError, match="At least 2 samples are needed; there are 1"):
        kernel_distance(normal(10, 2), normal(1, 2))
    with pytest.raises(ValueError, match="they have 2 and 3"):
        kernel_distance(normal(10, 2), normal(10, 3))
    with pytest.raises(ValueError, match="subsets=0 does not fit"):
        kernel_distance(normal(10, 2), normal(10, 2), subsets=0)
