import math

import pytest
import torch
from torch import Tensor

from lightning_gans.metrics import distances
from lightning_gans.metrics.distances import pairs_within, radii


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def direct(a: Tensor, b: Tensor) -> Tensor:
    """Distances of all pairs as differences in float64."""
    return torch.linalg.vector_norm(a[:, None] - b[None], dim=2)


CASES = {
    "scattered": normal(90, 40),
    "far from the origin": 1e8 + normal(90, 40),
    "in two distant groups": torch.cat([normal(45, 40), 1e7 + normal(45, 40, seed=1)]),
    "on a lattice": normal(90, 40).mul(0.5).round(),
    "with copies": normal(30, 40).repeat(3, 1),
    "collapsed": normal(1, 40).repeat(90, 1),
    "nearly collapsed": normal(1, 40) + 1e-12 * normal(90, 40, seed=1),
    "huge": 1e150 * normal(90, 40),
    "tiny": 1e-150 * normal(90, 40),
    "of one feature": normal(90, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_radii_and_comparisons_are_those_of_differences(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "_CELLS", 1000)
    monkeypatch.setattr(distances, "_NUMBERS", 400)
    x = CASES[name]
    wanted = direct(x, x)
    wanted.fill_diagonal_(math.inf)
    expected = wanted.sort(dim=1).values
    torch.testing.assert_close(radii(x, (1, 3, 5)), expected[:, [0, 2, 4]].T, rtol=1e-12, atol=0)
    # On the rim itself: each limit is one of the distances.
    a, b = x[:50], x[40:]
    between = torch.linalg.vector_norm(a.repeat_interleave(len(b), 0) - b.repeat(len(a), 1), dim=1).view(len(a), len(b))
    limits = (
        between[:, 7:8],
        between[3:4],
        torch.full((1, len(b)), -math.inf),
        torch.zeros(1, len(b), dtype=torch.float64),
    )
    seen = torch.zeros(len(a), dtype=torch.bool)
    for rows, inside in pairs_within(a, b, limits):
        seen[rows] = True
        for found, limit in zip(inside, limits, strict=True):
            assert torch.equal(found, between[rows] <= (limit[rows] if len(limit) > 1 else limit))
    assert seen.all()


def test_few_distances_are_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    compute = distances._distances

    def count(a: Tensor, b: Tensor, i: Tensor, j: Tensor) -> Tensor:
        counted.append(len(i))
        return compute(a, b, i, j)

    monkeypatch.setattr(distances, "_distances", count)
    x = normal(400, 100).float()
    near = radii(x, (3, 5))
    assert sum(counted) < 400 * 8
    counted.clear()
    list(pairs_within(x, x.flip(0), [near[1:]]))
    assert sum(counted) < 400 * 8
