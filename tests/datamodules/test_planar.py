import math

import pytest
import torch

from datamodules import Grid, RefPair, Ring, Spiral, SwissRoll, TwoPoints
from datamodules.planar import Mixture
from lightning_gans.core.errors import UserError

ALL = [Ring, Grid, Spiral, SwissRoll, TwoPoints, RefPair]


def points(data, name="train"):
    return data.sources[name]


@pytest.mark.parametrize("density", ALL)
def test_fixed_points_in_three_different_splits(density):
    data = density()
    assert {name: len(data.split(name)) for name in data.sources} == {
        "train": 100_000,
        "validation": 10_000,
        "test": 10_000,
    }
    batch = next(data.iteration_batches(0, 1))
    assert batch.x.shape == (64, *data.sample_shape)
    assert batch.x.dtype == torch.float32
    assert torch.equal(points(data, "test").x, points(density(), "test").x)
    assert not torch.equal(points(data, "test").x, points(data, "validation").x)
    assert (batch.label is None) == (data.classes is None)
    if data.classes is not None:
        assert torch.equal(points(data).labels.unique(), torch.arange(len(data.classes)))


@pytest.mark.parametrize("data, count, std", [(Ring(), 8, 0.01), (Grid(), 25, 0.05)])
def test_modes_are_where_the_papers_have_them(data, count, std):
    assert data.modes.centres.shape == (count, 2)
    assert data.modes.std == std
    x, label = points(data).x, points(data).labels
    distance = torch.cdist(x, data.modes.centres)
    assert torch.equal(distance.argmin(1), label)
    offset = x - data.modes.centres[label]
    assert offset.std().item() == pytest.approx(std, rel=0.02)
    within = (distance.min(1).values <= 3 * std).float().mean().item()
    assert within == pytest.approx(1 - math.exp(-4.5), abs=0.002)  # a perfect sampler's high-quality share
    share = torch.bincount(label) / len(label)
    assert share.min() > 0.9 / count
    assert share.max() < 1.1 / count


def test_centres():
    torch.testing.assert_close(Ring(radius=2.0).modes.centres.norm(dim=1), torch.full((8,), 2.0))
    torch.testing.assert_close(Ring().modes.centres[2], torch.tensor([0.0, 1.0]), rtol=0, atol=1e-6)
    assert Grid().modes.centres.unique().tolist() == [-4, -2, 0, 2, 4]


def test_two_points_are_points():
    data = TwoPoints()
    assert data.modes is None
    assert points(data).x.unique(dim=0).tolist() == [[-1, 0], [1, 0]]
    assert TwoPoints(std=0.1).modes.std == 0.1


def test_ref_pair_is_a_standard_normal():
    x = points(RefPair()).x
    assert x.shape == (100_000, 1)
    assert x.mean().item() == pytest.approx(0, abs=0.01)
    assert x.std().item() == pytest.approx(1, abs=0.01)
    log_prob = RefPair().log_prob(torch.tensor([[0.0], [2.0]]))
    assert log_prob.tolist() == pytest.approx([-0.9189385, -2.9189385])


def test_log_prob_is_a_density():
    axis = torch.linspace(-3, 3, 301)
    x = torch.cartesian_prod(axis, axis)
    assert (Ring(std=0.2).log_prob(x).exp().sum() * 0.02**2).item() == pytest.approx(1, abs=1e-4)
    one = Mixture(batch_size=1, dimension=2, centres=torch.zeros(1, 2), std=0.5)
    assert one.log_prob(torch.zeros(1, 2)).item() == pytest.approx(-math.log(2 * math.pi * 0.25))


def test_spirals_lie_on_their_curves():
    roll = points(SwissRoll(std=0.0)).x
    t = roll.norm(dim=1) * 7.5
    torch.testing.assert_close(torch.stack([t * t.cos(), t * t.sin()], 1) / 7.5, roll, rtol=0, atol=1e-4)
    assert t.min().item() == pytest.approx(1.5 * math.pi, abs=0.01)
    assert t.max().item() == pytest.approx(4.5 * math.pi, abs=0.01)
    spiral, arm = points(Spiral(std=0.0)).x, points(Spiral(std=0.0)).labels
    radius = spiral.norm(dim=1)
    assert radius.max().item() == pytest.approx(1, abs=1e-3)
    angle = 3 * math.pi * radius + math.pi * arm
    torch.testing.assert_close(radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1), spiral, rtol=0, atol=1e-4)


def test_fingerprints_name_the_density():
    assert len({density().fingerprint for density in ALL}) == len(ALL)
    assert Ring(std=0.02).fingerprint != Ring().fingerprint == Ring(batch_size=8).fingerprint


@pytest.mark.parametrize(
    "make, key",
    [
        (lambda: Ring(std=0.0), "std"),
        (lambda: Ring(radius=-1.0), "radius"),
        (lambda: Grid(std="thin"), "std"),
        (lambda: Spiral(std=-0.1), "std"),
        (lambda: TwoPoints(std=math.nan), "std"),
        (lambda: Ring(dimension=3), "dimension"),
        (lambda: RefPair(dimension=2), "dimension"),
    ],
)
def test_a_value_out_of_range_is_refused(make, key):
    with pytest.raises(UserError, match=rf"data\.{key}="):
        make()


def test_modes_are_named_by_rounded_coordinates():
    assert Ring(batch_size=8).classes[:3] == ("(1, 0)", "(0.707, 0.707)", "(0, 1)")
