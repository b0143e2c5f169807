"""Accuracy in both domains, and the picture of their features."""

from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch import nn

from datamodules import Digits, EmbeddedDomains
from lightning_gans.callbacks.domains import Embeddings, adaptation, features_of
from lightning_gans.core.batches import SampleBatch
from tests.callbacks.test_measures import Split
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play
from tests.helpers.tiny import fit, tiny_game


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
    assert found == {
        "source_accuracy": pytest.approx(3 / 4),
        "target_accuracy": pytest.approx(2 / 3),
        "domain_accuracy": pytest.approx((3 / 4 + 2 / 3) / 2),
    }


def test_a_target_without_labels_or_of_other_classes_has_no_accuracy():
    for target in ({"labels": None}, {"classes": ("a", "b", "c")}):
        assert set(adaptation(Signs(), pair(**target), "test")) == {"source_accuracy", "domain_accuracy"}


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


def test_the_picture_before_and_after(tmp_path):
    config = composed("dann", iterations=2)
    play(game_of(config), data_of(config), tmp_path, Embeddings(points=20))
    made = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert made == ["features-after.png", "features-before.png"]
    pictures = [Image.open(tmp_path / "samples" / name) for name in made]
    assert {picture.size for picture in pictures} == {(900, 450)}
    assert pictures[0].tobytes() != pictures[1].tobytes()


def test_other_games_draw_none(tmp_path):
    fit(tiny_game(1), tmp_path, [Embeddings()])
    assert not (tmp_path / "samples").exists()
    config = composed("dann", iterations=1)
    game, data = game_of(config), data_of(config)
    assert isinstance(data, EmbeddedDomains)
    play(game, list(data.iteration_batches(0, 1)), tmp_path, Embeddings())
    assert not (tmp_path / "samples").exists()
