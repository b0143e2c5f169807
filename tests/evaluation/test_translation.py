"""Measures of a model that translates."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lightning_gans.callbacks.evaluation import Evaluation
from lightning_gans.callbacks.translations import Translations
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.rng import stream
from lightning_gans.evaluation.scoring import Scoring
from lightning_gans.evaluation.translation import TranslationQuality, cycle
from lightning_gans.extractors.base import Features
from lightning_gans.metrics.frechet import FeatureStatistics, frechet_distance
from lightning_gans.metrics.names import METRICS, declare_extractor
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


class Shift(nn.Module):
    """Moves A by `up` to B, and B by `down` to A."""

    def channels(self, direction):
        return 1

    def __init__(self, up, down):
        super().__init__()
        self.up, self.down = up, down

    def check(self, height, width): ...

    def translate(self, x, direction):
        return x + (self.up if direction == "a2b" else self.down)


class Split:
    def __init__(self, x, labels):
        self.x, self.labels = x, labels

    def __len__(self):
        return len(self.x)

    def at_most(self, n):
        return Split(self.x[:n], None if self.labels is None else self.labels[:n])

    def batches(self, size):
        for start in range(0, len(self), size):
            yield SampleBatch(self.x[start : start + size], None)


def domain(name, shift, *, classes=("low", "high"), n=300):
    """Images of one pixel: the class, 0 or 1, and the domain's shift, in the four hundredth part of the noise."""
    found = {}
    for split in ("train", "validation", "test"):
        labels = torch.arange(n) % 2
        noise = torch.randn(n, 1, 1, 1, generator=stream(name, split)) / 20
        found[split] = Split(labels[:, None, None, None] + shift + noise, labels)
    return SimpleNamespace(split=found.__getitem__, classes=classes, shift=shift, sample_shape=(1, 1, 1))


class Pixel:
    """The pixel as a feature, and the class that it tells in a domain."""

    name, feature_dim, suffix = "pixel", 1, ""

    def __init__(self, shift):
        self.shift = shift

    def __call__(self, x):
        x = x.flatten(1)
        high = (x - self.shift > 0.5).float()
        return Features(x, torch.cat([1 - high, high], 1))


def context(extractor, features, suffix=""):
    return SimpleNamespace(
        extractor=extractor,
        suffix=suffix,
        reference=lambda found, part: FeatureStatistics.of(features(part)),
        device="cpu",
    )


def quality(a, b, *, extractor=lambda part: Pixel(part.shift), model=None):
    made = TranslationQuality()
    data = SimpleNamespace(parts={"a": a, "b": b}, domains={"a": a, "b": b})
    made.prepare(model or Shift(0, 0), data, context(extractor, lambda part: part.split("train").x.flatten(1)))
    return made, data


A, B = domain("a", 0.0), domain("b", 10.0)


def test_there_and_back():
    data = SimpleNamespace(parts={"a": A, "b": B})
    assert cycle(Shift(3.0, -3.0), data, "test")["cycle_l1"] == pytest.approx(0.0, abs=1e-6)
    assert cycle(Shift(3.0, -2.5), data, "test")["cycle_l1"] == pytest.approx(0.5, rel=1e-5)
    assert cycle(nn.Linear(1, 1), data, "test") == {}


def test_a_perfect_translator_scores_the_floor_and_an_idle_one_the_distance():
    made, data = quality(A, B)
    floor, good = made.floor("test"), made(Shift(10.0, -10.0), data, "test")
    assert {name for name in floor if not name.endswith("_se")} == {
        "fid_a2b",
        "fid_b2a",
        "fid_both",
        "label_accuracy_a2b",
        "label_accuracy_b2a",
    }
    for direction in ("a2b", "b2a"):
        assert good[f"fid_{direction}"] == pytest.approx(floor[f"fid_{direction}"], abs=0.01)
        assert good[f"fid_{direction}_untranslated"] == pytest.approx(100.0, rel=0.02)
        assert good[f"label_accuracy_{direction}"] == floor[f"label_accuracy_{direction}"] == 1.0
    idle = made(Shift(0.0, 0.0), data, "test")
    assert idle["fid_b2a"] == idle["fid_b2a_untranslated"]
    assert idle["fid_both"] == (idle["fid_a2b"] + idle["fid_b2a"]) / 2


def test_each_direction_is_judged_by_its_target():
    made, data = quality(A, B)
    found = made(Shift(10.0, 0.0), data, "test")
    assert found["fid_a2b"] < 0.1 < 90 < found["fid_b2a"]
    real = FeatureStatistics.of(B.split("train").x.flatten(1))
    moved = FeatureStatistics.of(A.split("test").x.flatten(1) + 10)
    assert found["fid_a2b"] == pytest.approx(frechet_distance(real, moved), rel=1e-4)


def test_a_label_that_is_lost_is_counted():
    made, data = quality(A, B)
    found = made(Shift(11.0, -10.0), data, "test")  # all of A becomes high
    assert found["label_accuracy_a2b"] == 0.5
    assert found["label_accuracy_b2a"] == 1.0


def test_labels_count_where_both_domains_have_the_same():
    made, data = quality(A, domain("b", 10.0, classes=("cat", "dog")))
    found = made(Shift(10.0, -10.0), data, "test")
    assert {name for name in found if not name.endswith("_se")} == {
        "fid_both",
        *(f"fid_{direction}{end}" for direction in ("a2b", "b2a") for end in ("", "_untranslated")),
    }


def test_the_cycle_alone_is_measured_of_too_few_images(caplog):
    few = domain("b", 10.0)
    few.split = lambda name: (domain("b", 10.0, n=1) if name == "validation" else B).split(name)
    made, data = quality(A, few)
    assert made(Shift(0, 0), data, "test") == made.floor("validation") == made.facts() == {}
    assert "Domain B has 1 validation image(s)" in caplog.text
    none = SimpleNamespace(parts={"a": A, "b": domain("b", 0.0, n=0)})
    assert cycle(Shift(0.0, 0.0), none, "validation") == {}


def test_nothing_without_an_extractor_or_a_translator():
    made, data = quality(A, B, extractor=lambda part: None)
    assert made(Shift(0, 0), data, "test") == made.floor("test") == made.facts() == {}
    made, data = quality(A, B, model=nn.Linear(1, 1))
    assert made.facts() == {}


@pytest.fixture
def means_declared():
    declare_extractor("mean")
    yield
    for name in [name for name in METRICS if name.endswith("_mean")]:
        del METRICS[name]


@pytest.mark.usefixtures("means_declared")
def test_a_run_reports_both_directions_and_what_they_are_of(tmp_path):
    config = composed("cyclegan", iterations=2)
    means = context(lambda part: Mean(), lambda part: features(part.split("train")), "_mean")
    scoring = Scoring(lambda *_: None, [cycle, TranslationQuality()], lambda device: means)
    evaluation = Evaluation(every=2, scoring=scoring)
    game = play(game_of(config), data_of(config), tmp_path, evaluation)
    assert {"fid_a2b_mean", "fid_both_mean", "cycle_l1"} <= set(evaluation.test["last"])
    assert game.scores.is_best(game.headline, 2)
    assert evaluation.facts()["reference"] == "train (1437 and 1437 images)"
    assert evaluation.floor["fid_a2b_mean"] < evaluation.test["last"]["fid_a2b_untranslated_mean"]
    assert evaluation.test["floor"].keys() <= evaluation.test["last"].keys()


@pytest.mark.usefixtures("means_declared")
def test_domains_of_different_channels_are_drawn_and_compared_in_those_of_the_target(tmp_path):
    colours = {"A": ("RGB", (200, 10, 10)), "B": ("L", 90)}
    for side, (mode, colour) in colours.items():
        for number, split in enumerate(("train", "train", "val", "val", "test", "test")):
            path = tmp_path / "pair" / f"{split}{side}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new(mode, (8, 8), colour).save(path)
    config = composed(
        "cyclegan",
        *("data=unpaired", f"data.root={tmp_path / 'pair'}", "data.image_size=16", "data.channels_b=1"),
        *("network=cyclegan", "network.translator.width=2", "variant.identity_weight=0"),
        iterations=1,
    )
    means = context(lambda part: Mean(), lambda part: features(part.split("train")), "_mean")
    evaluation = Evaluation(every=1, scoring=Scoring(lambda *_: None, [TranslationQuality()], lambda device: means))
    play(game_of(config), data_of(config), tmp_path, evaluation, Translations(every=1, rows=3, columns=2))
    found = evaluation.test["last"]
    luma = 0.299 * 200 + 0.587 * 10 + 0.114 * 10
    assert found["fid_a2b_untranslated_mean"] == pytest.approx(((luma - 90) / 127.5) ** 2, rel=1e-4)
    assert found["fid_b2a_untranslated_mean"] == pytest.approx((110**2 + 2 * 80**2) / 127.5**2, rel=1e-4)
    for way, first in (("a2b", [200, 10, 10]), ("b2a", [90, 90, 90])):
        picture = np.asarray(Image.open(tmp_path / "samples" / f"translations-{way}-00000001.png"))
        assert picture[0, 0].tolist() == first


class Mean:
    """Mean of each channel."""

    name, suffix = "mean", "_mean"

    def __call__(self, x):
        return Features(x.mean((2, 3)), None)


def features(split):
    return torch.cat([Mean()(batch.x).features for batch in split.batches(256)])


def test_translations_that_are_not_numbers_have_no_distance():
    made, data = quality(A, B)
    found = made(Shift(float("nan"), -10.0), data, "test")
    assert math.isnan(found["fid_a2b"])
    assert math.isnan(found["fid_both"])
    assert found["fid_b2a"] < 0.1
