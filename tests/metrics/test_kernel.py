import itertools

import pytest
import torch
from torch import Tensor
from torchmetrics.image.kid import poly_mmd

from lightning_gans.metrics.kernel import kernel_distance, polynomial_mmd2


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
