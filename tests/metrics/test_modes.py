import math

import pytest
import torch
from torch import Tensor

from lightning_gans.metrics.modes import mode_coverage

ANGLES = torch.arange(8) * math.pi / 4
RING = torch.stack([ANGLES.cos(), ANGLES.sin()], 1)
GRID = torch.cartesian_prod(torch.arange(-4.0, 5, 2), torch.arange(-4.0, 5, 2))
CASES = [pytest.param(RING, 0.01, id="ring"), pytest.param(GRID, 0.05, id="grid")]
N = 2500


def sample(centres: Tensor, std: float, seed: int, n: int = N) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(centres), (n,), generator=generator)
    return centres[rows] + std * torch.randn(n, 2, generator=generator)


@pytest.mark.parametrize(("centres", "std"), CASES)
def test_the_true_sampler(centres: Tensor, std: float) -> None:
    results = [mode_coverage(sample(centres, std, seed), centres, std) for seed in range(50)]
    assert {result.modes for result in results} == {len(centres)}
    assert sum(result.high_quality for result in results) / 50 == pytest.approx(1 - math.exp(-4.5), abs=1e-3)
    floor = (len(centres) - 1) / (2 * N)  # of a perfect sampler
    assert sum(result.reverse_kl for result in results) / 50 == pytest.approx(floor, rel=0.2)


@pytest.mark.parametrize(("centres", "std"), CASES)
def test_a_dropped_mode_is_missed(centres: Tensor, std: float) -> None:
    k = len(centres)
    result = mode_coverage(sample(centres[1:], std, 0), centres, std)
    assert result.modes == k - 1
    assert result.reverse_kl == pytest.approx(math.log(k / (k - 1)), abs=0.01)


def test_low_quality_samples_count_for_nothing_but_the_share() -> None:
    near = RING[:4] * 1.029  # 2.9 standard deviations outwards
    far = RING[4:] * 1.031  # 3.1
    assert mode_coverage(near, RING, 0.01)[:3] == pytest.approx((4, 1.0, math.log(2)), rel=1e-6)
    assert mode_coverage(torch.cat([near, far]), RING, 0.01)[:3] == pytest.approx((4, 0.5, math.log(2)), rel=1e-6)
    assert mode_coverage(far, RING, 0.01)[:3] == pytest.approx((0, 0.0, math.log(8)))


def test_collapse_and_broken_points() -> None:
    assert mode_coverage(RING[:1].expand(9, -1), RING, 0.01)[:3] == pytest.approx((1, 1.0, math.log(8)))
    broken = torch.tensor([[math.nan, 0.0], [math.inf, 0.0]])
    assert mode_coverage(broken, RING, 0.01)[:3] == pytest.approx((0, 0.0, math.log(8)))
    assert mode_coverage(torch.cat([RING, broken]), RING, 0.01)[:3] == pytest.approx((8, 0.8, 0.0), abs=1e-12)


@pytest.mark.parametrize(("points", "centres"), [((0, 2), (8, 2)), ((5, 3), (8, 2)), ((5,), (8, 2))])
def test_what_does_not_fit(points: tuple[int, ...], centres: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="centres"):
        mode_coverage(torch.zeros(points), torch.zeros(centres), 0.01)


def test_errors_are_deviations_over_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = torch.tensor([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05])
    found = []
    for _ in range(300):
        near = RING[torch.multinomial(shares, 400, True, generator=generator)]
        away = torch.rand(400, 1, generator=generator) < 0.2
        found.append(mode_coverage(torch.where(away, near * 3, near), RING, 0.01))
    values = torch.tensor(found, dtype=torch.float64)
    assert values[:, 3].mean().item() == pytest.approx(values[:, 1].std().item(), rel=0.15)
    assert values[:, 4].mean().item() == pytest.approx(values[:, 2].std().item(), rel=0.15)
