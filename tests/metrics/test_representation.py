"""Metrics of latent codes, against cases whose answer is known."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lightning_gans.metrics.representation import (
    LinearProbe,
    category_accuracy,
    category_classes,
    linear_probe_accuracy,
    nearest_neighbour_accuracy,
    normalised_mutual_information,
)


def normal(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + sum(shape)))


def test_the_nearest_neighbour_is_the_euclidean_one():
    train = normal(50, 4)
    test = normal(2000, 4)  # more than one part
    labels = torch.arange(50)
    nearest = torch.cdist(test, train).argmin(1)
    assert nearest_neighbour_accuracy(train, labels, test, nearest) == 1.0
    assert nearest_neighbour_accuracy(train, labels, test, nearest.roll(1)) < 0.2


def test_a_long_neighbour_is_not_a_near_one():
    # the inner product alone would choose the second
    train, labels = torch.tensor([[1.0, 0.0], [10.0, 0.0]]), torch.tensor([0, 1])
    assert nearest_neighbour_accuracy(train, labels, torch.tensor([[1.2, 0.0]]), torch.tensor([0])) == 1.0


def test_a_probe_reads_what_is_linear_and_nothing_else():
    x = normal(600, 2)
    linear, xor = (x[:, 0] > 0).long(), ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()
    scaled = x * torch.tensor([1e-3, 1e3])
    assert linear_probe_accuracy(scaled[:400], linear[:400], scaled[400:], linear[400:]) > 0.97
    assert linear_probe_accuracy(x[:400], xor[:400], x[400:], xor[400:]) < 0.65


def noisy(rows=1500, dim=20, classes=5):
    """Features of very different means and sizes, and labels that a linear probe reads in part."""
    x = normal(rows, dim)
    labels = (x @ normal(dim, classes) + 2 * normal(rows, classes)).argmax(1) * 3  # 0, 3, 6, ...
    return x * torch.logspace(-3, 3, dim) + torch.linspace(-5, 5, dim), labels


def test_a_probe_is_scikit_learns():
    x, labels = noisy()
    theirs = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(x[:1000].numpy(), labels[:1000])
    ours = LinearProbe(x[:1000], labels[:1000])
    ours.fit()
    assert ours.weights[:-1].T.numpy() == pytest.approx(theirs[-1].coef_, abs=2e-2)
    expected = theirs.score(x[1000:].numpy(), labels[1000:])
    assert 0.5 < expected < 0.95
    assert linear_probe_accuracy(x[:1000], labels[:1000], x[1000:], labels[1000:]) == pytest.approx(expected, abs=2e-3)


def test_a_probe_does_not_depend_on_the_parts_that_it_reads():
    x, labels = noisy()
    whole, parts = LinearProbe(x, labels), LinearProbe(x, labels, cells=7 * x.shape[1])
    for probe in (whole, parts):
        probe.fit()
    assert torch.allclose(whole.weights, parts.weights, rtol=0, atol=1e-5)
    assert whole.accuracy(x, labels) == pytest.approx(parts.accuracy(x, labels), abs=1e-5)


def test_a_probe_takes_constant_features_unseen_classes_and_tells_how_far_it_is():
    x, labels = noisy()
    x[:, 0], labels[-1] = 4.0, 99
    shares = []
    assert linear_probe_accuracy(x[:-1], labels[:-1], x[-1:], labels[-1:], progress=shares.append) == 0
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1


def test_each_category_stands_for_its_commonest_class_in_train():
    train, classes = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([5, 5, 3, 3, 3, 5])
    test, asked = torch.tensor([0, 0, 1, 2, 2, 3]), torch.tensor([5, 3, 3, 5, 0, 0])
    # 0 -> 5, 1 -> 3, 2 -> 5; category 3 was never seen and stands for no class, not for class 0
    stands_for = category_classes(train, classes, 4)
    assert stands_for.tolist() == [5, 3, 5, -1]
    assert category_accuracy(stands_for, test, asked) == pytest.approx(3 / 6)


def test_information_does_not_care_for_names():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert normalised_mutual_information((labels + 1) % 3, labels) == pytest.approx(1.0)
    assert normalised_mutual_information(torch.zeros(6, dtype=torch.int64), labels) == pytest.approx(0.0)
