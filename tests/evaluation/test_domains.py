"""Accuracy in both domains, and their features."""

from math import hypot, log
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from datamodules import Digits
from lightning_gans.core.batches import SampleBatch
from lightning_gans.evaluation.domains import adaptation, features_of, information
from tests.evaluation.test_measures import Split


class Signs(nn.Module):
    """Calls x > 0 class 1, and x > 10 the target."""

    classes = 2

    def classify(self, x):
        return torch.stack([x <= 0, x > 0], dim=1).float()

    def domain(self, x):
        return torch.stack([x <= 10, x > 10], dim=1).float()

    def features(self, x):
        return x[:, None].expand(-1, 3)


class Labelled(Split):
    def at_most(self, n):
        return Labelled(self.x[:n], None if self.labels is None else self.labels[:n])

    def batches(self, size):
        for batch, start in zip(super().batches(size), range(0, len(self), size), strict=True):
            yield SampleBatch(batch.x, None if self.labels is None else self.labels[start : start + size])


def part(x, labels, classes=("0", "1")):
    split = Labelled(torch.tensor(x), None if labels is None else torch.tensor(labels))
    return SimpleNamespace(split=lambda name: split, classes=classes if labels is not None else None)


def pair(**target):
    target = {"x": [11.0, 12.0, -1.0], "labels": [1, 1, 1]} | target
    return SimpleNamespace(parts={"source": part([1.0, -1.0, 2.0, 20.0], [1, 0, 0, 1]), "target": part(**target)})


def test_accuracies():
    found = adaptation(Signs(), pair(), "validation")
    errors = [(share * (1 - share) / n) ** 0.5 for share, n in ((3 / 4, 4), (2 / 3, 3))]
    assert found == {
        "source_accuracy": pytest.approx(3 / 4),
        "source_accuracy_se": pytest.approx(errors[0]),
        "target_accuracy": pytest.approx(2 / 3),
        "target_accuracy_se": pytest.approx(errors[1]),
        "domain_accuracy": pytest.approx((3 / 4 + 2 / 3) / 2),
        "domain_accuracy_se": pytest.approx(hypot(*errors) / 2),
        # classes 1, 1, 0: the entropy of (1/3, 2/3)
        "target_information": pytest.approx(log(3) - 2 / 3 * log(2)),
        "target_information_se": pytest.approx(log(2) / 3),
    }


def test_a_target_without_labels_or_of_other_classes_has_no_accuracy():
    for target in ({"labels": None}, {"classes": ("a", "b", "c")}):
        found = adaptation(Signs(), pair(**target), "test")
        assert {name for name in found if not name.endswith("_se")} == {
            "source_accuracy",
            "domain_accuracy",
            "target_information",
        }


def test_the_information_of_predictions_is_that_of_a_certain_and_balanced_classifier_at_most():
    certain = torch.eye(4).repeat(3, 1)
    assert information(certain).value == pytest.approx(log(4))
    assert information(torch.eye(4)[:1].repeat(12, 1)).value == pytest.approx(0)  # every sample in one class
    assert information(torch.full((12, 4), 0.25)).value == pytest.approx(0)  # no decision about any sample
    unsure = 0.7 * certain + 0.3 * 0.25
    entropy = -(0.775 * log(0.775) + 3 * 0.075 * log(0.075))
    assert information(unsure).value == pytest.approx(log(4) - entropy, rel=1e-6)


def test_the_information_reads_no_label():
    of_other_labels = adaptation(Signs(), pair(labels=[0, 0, 0]), "validation")
    assert of_other_labels["target_information"] == adaptation(Signs(), pair(), "validation")["target_information"]


def test_what_has_not_two_domains_or_does_not_classify_is_left_alone():
    assert adaptation(Signs(), SimpleNamespace(), "test") == {}
    assert adaptation(Signs(), SimpleNamespace(parts={"a": None, "b": None}), "test") == {}
    assert adaptation(nn.Identity(), pair(), "test") == {}
    assert adaptation(Signs(), Digits(image_size=8), "test") == {}


def test_features_are_of_held_out_samples_of_both_domains():
    features, domain, label = features_of(Signs(), pair(labels=None).parts)
    assert features[:, 0].tolist() == [1, -1, 2, 20, 11, 12, -1]
    assert domain.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert label.tolist() == [1, 0, 0, 1, -1, -1, -1]
    assert [len(part) for part in features_of(Signs(), pair().parts, points=2)] == [4, 4, 4]
