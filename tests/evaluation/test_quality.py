"""What a model that is told the class is measured by, beside what any other is."""

import pytest
import torch
from torch import nn

from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import stream, stream_seed
from lightning_gans.evaluation.quality import SampleQuality
from lightning_gans.extractors.base import Features
from lightning_gans.metrics.conditional import ClassReference
from lightning_gans.metrics.frechet import FeatureStatistics
from lightning_gans.metrics.scores import Reference
from lightning_gans.models import ConditionalGenerativeModel, GenerativeModel
from lightning_gans.networks.mlp import AffineGenerator

CENTRES = torch.tensor([[-6.0, 0.0], [6.0, 0.0], [0.0, 6.0]])


class Nearest:
    """Points are their own features; their class is that of the nearest centre."""

    name = fingerprint = "nearest"
    feature_dim, classes = 2, 3

    def __call__(self, x):
        return Features(x, (-torch.cdist(x, CENTRES)).softmax(1))


class Centred(nn.Module):
    """z, y -> z around the centre of y, or, for a share of the classes, of the next one."""

    def __init__(self, wrong=()):
        super().__init__()
        self.register_buffer("of", torch.tensor([(c + 1) % 3 if c in wrong else c for c in range(3)]))

    def forward(self, z, label):
        return z + CENTRES[self.of[label]]


def conditional(*wrong, classes=3):
    return ConditionalGenerativeModel(generator=Centred(wrong), prior=Normal(dim=2), classes=classes)


def quality(*, classes=True, held_out=300):
    labels = torch.arange(3000) % 3
    real = torch.randn(3000, 2, generator=stream("real")) + CENTRES[labels]
    reference = ClassReference(
        [FeatureStatistics.of(real[labels == c]) for c in range(3)], {"validation": labels[:held_out]}
    )
    return SampleQuality(
        extractor=Nearest(),
        reference=Reference.of(real),
        held_out={"validation": real[:held_out]},
        classes=reference if classes else None,
    )


def test_samples_of_the_class_asked_for():
    scores = quality().measure(conditional()).scores
    assert scores["label_accuracy"] > 0.99
    assert scores["intra_fid"] < 0.3


def test_swapped_classes_are_seen_by_the_measures_of_classes_alone():
    measure = quality()
    right, wrong = (measure.measure(conditional(*classes)).scores for classes in ((), (0, 1, 2)))
    assert wrong["label_accuracy"] < 0.01
    assert wrong["intra_fid"] > 50
    assert wrong["fid"] == pytest.approx(right["fid"], abs=1.5)
    third = measure.measure(conditional(0)).scores
    labels = conditional().labels(300, seed=stream_seed("evaluation", "validation"))
    assert third["label_accuracy"] == pytest.approx(1 - (labels == 0).float().mean().item(), abs=0.01)


def test_the_floor_is_of_held_out_samples_by_class():
    floor = quality().floor("validation")
    assert 0 < floor["intra_fid"] < 0.3
    assert "label_accuracy" not in floor
    assert "intra_fid" not in quality(classes=False).floor("validation")


def test_without_a_reference_by_class_accuracy_is_left():
    scores = quality(classes=False).measure(conditional()).scores
    assert "intra_fid" not in scores
    assert scores["label_accuracy"] > 0.99


def test_a_model_that_is_told_nothing_is_measured_as_before():
    plain = GenerativeModel(generator=AffineGenerator(scale=[1.0, 1.0], shift=[0.0, 0.0]), prior=Normal(dim=2))
    for classes in (True, False):
        scores = quality(classes=classes).measure(plain).scores
        assert set(scores) == {"fid", "kid", "kid_std", "is", "is_std", "classes_covered"}


def test_a_classifier_of_other_classes_says_nothing_of_labels():
    model = ConditionalGenerativeModel(generator=Centred(), prior=Normal(dim=2), classes=2)
    assert "label_accuracy" not in quality(classes=False).measure(model).scores
