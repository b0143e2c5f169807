import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_gans.metrics import distances
from lightning_gans.metrics.neighbours import Manifold, neighbour_measures, neighbour_radii


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def line(*places: float) -> Tensor:
    return torch.tensor(places)[:, None]


class Values(NamedTuple):
    precision: float
    recall: float
    density: float
    coverage: float


def measured(real: Manifold | Tensor, generated: Tensor, k: int = 5) -> Values:
    """The values of the four measures, with one k for all of them."""
    return Values(*(found.value for found in neighbour_measures(real, generated, k=(k, k))))


def by_definition(real: Tensor, generated: Tensor, k: int) -> Values:
    """The four sums, one pair of samples at a time."""
    x, y = real.double().numpy(), generated.double().numpy()

    def radius(points: np.ndarray, i: int) -> float:
        return sorted(float(np.linalg.norm(points[i] - p)) for j, p in enumerate(points) if j != i)[k - 1]

    def distance(i: int, j: int) -> float:
        return float(np.linalg.norm(x[i] - y[j]))

    r, s = [radius(x, i) for i in range(len(x))], [radius(y, j) for j in range(len(y))]
    n, m = range(len(x)), range(len(y))
    return Values(
        precision=sum(any(distance(i, j) <= r[i] for i in n) for j in m) / len(y),
        recall=sum(any(distance(i, j) <= s[j] for j in m) for i in n) / len(x),
        density=sum(distance(i, j) < r[i] for i in n for j in m) / (k * len(y)),
        coverage=sum(any(distance(i, j) < r[i] for j in m) for i in n) / len(x),
    )


def test_radii_of_points_on_a_line():
    points = line(0, 1, 3, 7)
    assert neighbour_radii(points, k=1).tolist() == [1, 1, 2, 4]
    assert neighbour_radii(points, k=2).tolist() == [3, 2, 3, 6]
    assert neighbour_radii(points, k=3).tolist() == [7, 6, 4, 7]


def test_a_copy_is_a_neighbour_at_distance_0_and_a_sample_is_not_its_own():
    assert neighbour_radii(line(0, 0, 5), k=1).tolist() == [0, 0, 5]
    assert neighbour_radii(line(0, 0, 5), k=2).tolist() == [5, 5, 5]
    far = 1e8 + normal(6, 40)  # where the matrix product form of a distance has no digits left
    assert neighbour_radii(far.repeat(2, 1), k=1).tolist() == [0] * 12


def test_the_four_measures_by_hand():
    # Balls of 0, 1, 3 (k=1): [-1, 1], [0, 2], [1, 5]. Balls of 2, 2.5, 10: [1.5, 2.5], [2, 3], [2.5, 17.5].
    found = measured(line(0, 1, 3), line(2, 2.5, 10), k=1)
    assert found.precision == pytest.approx(2 / 3)  # not 10
    assert found.recall == pytest.approx(1 / 3)  # 3 alone, on the rim of one ball and within another
    assert found.density == pytest.approx(2 / 3)  # 2 and 2.5 in the ball of 3; 2 is on the rim of that of 1
    assert found.coverage == pytest.approx(1 / 3)


def test_closed_balls_for_precision_and_recall_and_open_ones_for_density_and_coverage():
    on_the_rim = measured(line(0, 1), line(2, 3), k=1)
    assert on_the_rim == Values(precision=0.5, recall=0.5, density=0, coverage=0)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_against_the_definition(k):
    real, generated = normal(43, 3), normal(27, 3, seed=1) + 1
    found, wanted = measured(real, generated, k=k), by_definition(real, generated, k)
    assert found == pytest.approx(wanted, rel=1e-12)
    assert min(found) > 0.2  # none of them at an end
    assert max(found) < 1


def test_a_set_against_itself_and_against_one_far_away():
    x = normal(40, 4)
    assert measured(x, x) == Values(1, 1, 1, 1)  # its own ball and those of k - 1 others, over k
    assert measured(x, x + 100) == Values(0, 0, 0, 0)


def test_precision_and_recall_change_places_with_the_sets():
    a, b = normal(30, 2), 2 * normal(20, 2, seed=1)
    forth, back = measured(a, b, k=3), measured(b, a, k=3)
    assert (forth.precision, forth.recall) == (back.recall, back.precision)
    assert forth.precision != forth.recall


def test_samples_of_one_distribution():
    """E density = 1, and a ball of k neighbours of N is missed by M samples with probability (1 + M / N)^-k."""
    real, generated = normal(2000, 3), normal(500, 3, seed=1)
    found = measured(real, generated, k=5)
    assert found.density == pytest.approx(1, abs=0.06)
    assert found.coverage == pytest.approx(1 - (1 + 500 / 2000) ** -5, abs=0.03)


def test_one_mode_of_two_is_precise_and_covers_half():
    modes = torch.cat([normal(200, 2), normal(200, 2, seed=1) + 50])
    found = measured(modes, normal(400, 2, seed=2))
    assert found.precision > 0.95
    assert 0.4 < found.recall <= 0.5
    assert 0.4 < found.coverage <= 0.5


def test_copies_alone():
    points = line(-1, 1).repeat(10, 1)  # balls of radius 0
    assert measured(points, points)[:2] == (1, 1)
    assert measured(points, points)[2:] == (0, 0)  # open balls of radius 0 are empty


def test_what_is_held_in_memory_changes_nothing(monkeypatch):
    real, generated = normal(30, 5), normal(21, 5, seed=1)
    whole = measured(real, generated)
    monkeypatch.setattr(distances, "_CELLS", 70)  # two or three rows at a time
    assert measured(real, generated) == whole


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_samples_that_are_not_finite_are_counted(value):
    real, broken = normal(30, 2), normal(30, 2, seed=1)
    broken[:10] = value
    with pytest.raises(ValueError, match="10 of 30 rows hold NaN or infinity"):
        measured(real, broken)
    with pytest.raises(ValueError, match="10 of 30 rows hold NaN or infinity"):
        measured(broken, real)


@pytest.mark.parametrize("k", [0, 10])
def test_a_k_that_does_not_fit(k):
    with pytest.raises(ValueError, match=rf"k={k} neighbours need .* N > k >= 1"):
        measured(normal(20, 2), normal(10, 2), k=k)


def test_features_that_do_not_fit_each_other():
    with pytest.raises(ValueError, match=r"given \(20, 2\) and \(10, 3\)"):
        measured(normal(20, 2), normal(10, 3))


def test_one_k_for_precision_and_recall_and_another_for_density_and_coverage():
    real, generated = normal(60, 3), normal(50, 3, seed=1) + 0.5
    found = neighbour_measures(real, generated)
    three, five = by_definition(real, generated, 3), by_definition(real, generated, 5)
    assert found.precision.value == pytest.approx(three.precision)
    assert found.recall.value == pytest.approx(three.recall)
    assert found.density.value == pytest.approx(five.density)
    assert found.coverage.value == pytest.approx(five.coverage)
    assert neighbour_measures(Manifold.of(real), generated) == found
    shuffled = generated[torch.randperm(50, generator=torch.Generator().manual_seed(0))]
    assert neighbour_measures(real, shuffled) == found


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-20])
def test_many_features_far_from_the_origin_and_near_each_other(spread):
    real, generated = normal(120, 500).relu().double(), normal(100, 500, seed=1).relu().double()
    generated[:20] = real[:20]  # copies: at distance 0, and on the rim of nothing
    shifted = [(7 + x) * spread if spread == 1.0 else x * spread for x in (real, generated)]
    assert measured(*shifted, k=3) == pytest.approx(by_definition(*shifted, 3), rel=1e-12)


def test_equals_torch_fidelity():
    module = pytest.importorskip("torch_fidelity.metric_prc")
    real, generated = normal(200, 64).relu(), normal(150, 64, seed=1).relu() * 0.8
    expected = module.prc_features_to_metric(
        generated.double(), real.double(), prc_neighborhood=3, prc_batch_size=100, save_cpu_ram=True, verbose=False
    )
    found = neighbour_measures(real, generated)
    assert found.precision.value == pytest.approx(expected["precision"], abs=1e-6)  # shares of float32 there
    assert found.recall.value == pytest.approx(expected["recall"], abs=1e-6)


def test_errors_are_the_deviations_over_draws():
    real = Manifold.of(normal(300, 3, seed=999))
    draws = [neighbour_measures(real, 1.3 * normal(200, 3, seed=seed)) for seed in range(100)]
    for name in ("precision", "recall", "density", "coverage"):
        found = [getattr(draw, name) for draw in draws]
        deviation = np.std([one.value for one in found])
        # A jackknife is too large rather than too small (Efron & Stein 1981), up to twice near 1.
        most = 1.2 if name in ("precision", "density") else 2.2
        assert 0.8 < np.mean([one.error for one in found]) / deviation < most, name


def test_one_sample_and_too_few():
    with pytest.raises(ValueError, match="At least 2 samples are needed; there are 1"):
        neighbour_measures(normal(20, 2), normal(1, 2))
    with pytest.raises(ValueError, match=r"k=3 neighbours need .* these are \(3, 2\)"):
        neighbour_measures(normal(20, 2), normal(3, 2))
    with pytest.raises(ValueError, match=r"k=5 neighbours need .* these are \(5, 2\)"):
        neighbour_measures(normal(5, 2), normal(20, 2))
