"""Sample quality of class-conditional models, beside the metrics of all models."""

import math

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
    feature_dim, classes, suffix = 2, 3, ""

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
        [FeatureStatistics.of(real[labels == c]) for c in range(3)],
        {"validation": labels[:held_out], "test": labels[-held_out:]},
    )
    parts = {"validation": real[:held_out], "test": real[-held_out:]}
    return SampleQuality(
        extractor=Nearest(),
        reference=Reference.of(real),
        held_out={split: Reference.of(x, Nearest()(x).probabilities) for split, x in parts.items()},
        classes=reference if classes else None,
        names=("left", "right", "top"),
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
    assert floor["label_accuracy"] > 0.99  # of the classifier, on real samples
    assert {"intra_fid", "label_accuracy"}.isdisjoint(quality(classes=False).floor("validation"))


def test_the_floor_is_a_mean_over_draws_with_their_deviation():
    """Independent real samples, of classes drawn at random, score the mean, give or take the deviation."""
    measure = quality()
    floor = measure.floor("validation")
    found = []
    for draw in range(60):
        generator = stream("independent", draw)
        labels = torch.randint(3, (300,), generator=generator)
        x = torch.randn(300, 2, generator=generator) + CENTRES[labels]
        found.append(measure._score(*Nearest()(x), None)["fid"])
    found = torch.tensor(found)
    assert floor["fid"] == pytest.approx(found.mean().item(), abs=2 * floor["fid_se"])
    assert 0.4 < floor["fid_se"] / found.std().item() < 2.5
    assert floor["evenness"] == pytest.approx(1, abs=0.01)


def test_a_floor_of_too_few_samples_for_draws_is_that_of_one():
    measure = quality()
    measure.samples = 500  # of 600 held-out ones
    floor = measure.floor("test")
    one = measure._score(*Nearest()(torch.cat([part.features for part in measure.held_out.values()])[:500]), None)
    assert floor["fid"] == one["fid"]
    assert floor["fid_se"] == one["fid_se"]


def test_without_held_out_samples_there_is_no_floor():
    measure = quality()
    empty = Reference.of(torch.empty(0, 2))
    measure.held_out = {"validation": empty, "test": measure.held_out["test"]}
    assert measure.count("validation") == 300
    assert measure.floor("validation")["fid"] > 0  # of the test split
    measure.held_out["test"] = empty
    measure.samples = 100
    assert measure.floor("test") == {}


def test_points_that_are_not_numbers_have_no_scores(caplog):
    broken = torch.full((300, 2), float("nan"))
    scores = quality()._score(broken, None, None)
    assert set(scores) == {"fid"}
    assert math.isnan(scores["fid"])
    assert "300 of 300 samples have features that are not finite" in caplog.text


def test_without_a_reference_by_class_accuracy_is_left():
    scores = quality(classes=False).measure(conditional()).scores
    assert "intra_fid" not in scores
    assert scores["label_accuracy"] > 0.99


def test_a_model_that_is_told_nothing_is_measured_as_before():
    plain = GenerativeModel(generator=AffineGenerator(scale=[1.0, 1.0], shift=[0.0, 0.0]), prior=Normal(dim=2))
    for classes in (True, False):
        scores = quality(classes=classes).measure(plain).scores
        named = {name for name in scores if not name.endswith(("_se", "_std"))}
        neighbours = {"precision", "recall", "density", "coverage"}
        assert named == {"fid", "kid", "is", "classes_covered", "evenness"} | neighbours
        assert {f"{name}_se" for name in named - {"classes_covered"}} <= set(scores)


def test_a_classifier_of_other_classes_says_nothing_of_labels():
    model = ConditionalGenerativeModel(generator=Centred(), prior=Normal(dim=2), classes=2)
    assert "label_accuracy" not in quality(classes=False).measure(model).scores


def test_the_test_may_have_more_samples_than_training():
    measure = quality()
    measure.samples, measure.test_samples = 64, 128
    assert [measure.count(split) for split in ("validation", "test")] == [64, 128]
    assert len(measure.measure(conditional(), "test").features) == 128
    measure.samples = None
    assert measure.count("validation") == 300
