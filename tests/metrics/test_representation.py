"""What is read from codes, against cases whose answer is known."""

import pytest
import torch

from lightning_gans.metrics.representation import (
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
