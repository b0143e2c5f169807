from math import hypot

import pytest
import torch

from lightning_gans.metrics.conditional import intra_fid, label_accuracy
from lightning_gans.metrics.frechet import FeatureStatistics, fid, frechet_distance


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_label_accuracy_is_the_share_on_the_diagonal():
    probabilities = torch.eye(3)[[0, 1, 2, 2]] * 0.8 + 0.05
    assert label_accuracy(probabilities, torch.tensor([0, 1, 2, 0])) == (0.75, pytest.approx((0.75 * 0.25 / 4) ** 0.5))
    assert label_accuracy(probabilities, torch.tensor([1, 2, 0, 1])).value == 0.0


def test_intra_fid_is_the_mean_over_classes():
    """Class 0 is shifted by 1 in 4 dimensions, class 1 is doubled: 4 and 4, by the closed form."""
    real = [normal(20_000, 4), normal(20_000, 4, seed=1)]
    made = [normal(20_000, 4, seed=2) + 1, 2 * normal(20_000, 4, seed=3)]
    statistics = [FeatureStatistics.of(x) for x in real]
    labels = torch.tensor([0, 1]).repeat_interleave(20_000)
    shuffled = torch.randperm(40_000, generator=torch.Generator().manual_seed(0))
    found = intra_fid(statistics, torch.cat(made)[shuffled], labels[shuffled])
    assert found.value == pytest.approx(4.0, rel=0.03)
    one_by_one = [frechet_distance(a, FeatureStatistics.of(b)) for a, b in zip(statistics, made, strict=True)]
    assert found.value == pytest.approx(sum(one_by_one) / 2, rel=1e-6)
    errors = [fid(a, b).error for a, b in zip(statistics, made, strict=True)]
    assert found.error == pytest.approx(hypot(*errors) / 2, rel=1e-6)


def test_of_a_single_class_it_is_fid():
    real, made = FeatureStatistics.of(normal(100, 3)), normal(80, 3, seed=1)
    labels = torch.zeros(80, dtype=torch.int64)
    assert intra_fid([real], made, labels) == fid(real, made)


def test_classes_that_are_confused_score_worse_than_their_mixture():
    """Samples are perfect, their labels swapped: FID would see nothing."""
    centres = torch.tensor([[-3.0, 0.0], [3.0, 0.0]])
    labels = torch.arange(2000) % 2
    real = normal(2000, 2) + centres[labels]
    statistics = [FeatureStatistics.of(real[labels == c]) for c in range(2)]
    assert frechet_distance(FeatureStatistics.of(real), FeatureStatistics.of(real)) == pytest.approx(0, abs=1e-9)
    assert intra_fid(statistics, real, labels).value == pytest.approx(0, abs=1e-9)
    assert intra_fid(statistics, real, 1 - labels).value == pytest.approx(36, rel=0.05)


@pytest.mark.parametrize("labels", [[0] * 10, [0] * 9 + [1]])
def test_a_class_of_fewer_than_two_samples_has_no_distance(labels):
    statistics = [FeatureStatistics.of(normal(10, 2))] * 2
    assert intra_fid(statistics, normal(10, 2), torch.tensor(labels)) is None
