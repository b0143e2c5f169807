from types import SimpleNamespace

import pytest
import torch
from torch import nn

from datamodules.sources import Split, Tensors
from lightning_gans.core.rng import stream
from lightning_gans.evaluation import synthetic
from lightning_gans.evaluation.measures import measures
from lightning_gans.evaluation.synthetic import accuracy, cas, mixed, share_of, table
from lightning_gans.extractors.training import Recipe

QUICK = Recipe(passes=0.0, least=6400, batch=64)


def stripes(n, seed=0, noise=40.0):
    """Upright or level stripes under noise, uint8 (n, 1, 8, 8), and which."""
    draws = stream("stripes", seed)
    labels = torch.randint(0, 2, (n,), generator=draws)
    rows = (torch.arange(8) % 4 < 2).float() * 255
    x = torch.where(labels[:, None, None] == 0, rows[:, None].expand(8, 8), rows[None].expand(8, 8))[:, None]
    return (x + noise * torch.randn(n, 1, 8, 8, generator=draws)).clamp(0, 255).to(torch.uint8), labels


def split(images, labels):
    return Split(Tensors(images, labels), lambda raw: raw.float() / 127.5 - 1)


def test_a_share_has_all_classes_in_proportion():
    labels = torch.tensor([0] * 80 + [1] * 19 + [2])
    x = torch.arange(100, dtype=torch.uint8)[:, None]
    part, found = share_of((x, labels), 0.1, seed=1)
    assert torch.bincount(found).tolist() == [8, 2, 1]
    assert torch.equal(labels[part.flatten().long()], found)
    assert len(part.unique()) == 11
    assert not torch.equal(part, share_of((x, labels), 0.1, seed=2)[0])
    assert len(share_of((x, labels), 1.0, seed=1)[0]) == 100


def test_a_mixture_is_half_and_half():
    few, many = (torch.zeros(3, 1), torch.tensor([0, 1, 2])), (torch.ones(8, 1), torch.arange(8))
    x, labels = mixed(few, many)
    assert x.flatten().tolist() == [0.0] * 8 + [1.0] * 8
    assert labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, *range(8)]


def test_what_a_classifier_learns_is_what_it_saw():
    test = split(*stripes(100, seed=9))
    images, labels = stripes(200)
    right = accuracy((images, labels), test, classes=2, seed=0, recipe=QUICK)
    assert right > 0.95
    assert accuracy((images, 1 - labels), test, classes=2, seed=0, recipe=QUICK) < 0.05
    assert accuracy((images, labels), test, classes=2, seed=0, recipe=QUICK) == right


def test_the_table_has_a_row_for_each_set():
    told = []
    found = table(
        stripes(100),
        stripes(50, seed=1),
        split(*stripes(50, seed=2)),
        classes=2,
        shares=(0.1, 1.0),
        seeds=(0, 1),
        recipe=Recipe(passes=0.0, least=640, batch=64),
        told=lambda: told.append(1),
    )
    assert list(found) == ["synthetic", "real 10%", "real 10% + synthetic", "real 100%", "real 100% + synthetic"]
    assert all(len(scores) == 2 for scores in found.values())
    assert len(told) == 10
    assert all(0 <= score <= 1 for scores in found.values() for score in scores)


class Stripes(nn.Module):
    """Generates stripes of a class, or, if not `told`, of either class whatever it is told."""

    classes = 2

    def __init__(self, told=True):
        super().__init__()
        self.told = told

    def sample(self, n, *, label=None, seed=0, start=0):
        x, drawn = stripes(max(4 * n, 16), seed=seed + start)
        places = {int(one): (drawn == one).nonzero().flatten().tolist() for one in (0, 1)}
        wanted = label if self.told else torch.arange(n) % 2
        return x[[places[int(one)].pop() for one in wanted]].float() / 127.5 - 1

    def labels(self, n, *, seed=0, start=0):
        raise AssertionError("labels are those of the training images")


def data_of(**changed):
    splits = {"train": split(*stripes(100)), "test": split(*stripes(60, seed=9))}
    described = {"split": splits.__getitem__, "sample_shape": (1, 8, 8), "classes": ("level", "upright")}
    return SimpleNamespace(**(described | changed))


@pytest.fixture
def quick(monkeypatch):
    recipe = Recipe(passes=0.0, least=2560, batch=64)
    monkeypatch.setattr(synthetic, "accuracy", lambda *found, **options: accuracy(*found, recipe=recipe, **options))
    monkeypatch.setattr(synthetic, "SEEDS", 2)


def test_cas_is_high_for_samples_of_the_class_asked_for_alone(quick):
    good, bad = cas(Stripes(), data_of(), "test"), cas(Stripes(told=False), data_of(), "test")
    assert good["cas"] > 0.9
    assert bad["cas"] < 0.75
    assert bad["cas_se"] >= (bad["cas"] * (1 - bad["cas"]) / 60) ** 0.5 * 0.99
    assert good["cas_real"] == bad["cas_real"] > 0.9  # real images in their place; the same every time


def test_cas_is_of_labelled_images_and_of_as_many_classes():
    assert cas(Stripes(), data_of(classes=("one", "two", "three")), "test") == {}
    assert cas(Stripes(), data_of(classes=None), "test") == {}
    assert cas(Stripes(), data_of(sample_shape=(2,)), "test") == {}
    assert cas(nn.Linear(2, 2), data_of(), "test") == {}


def test_cas_is_measured_where_it_is_named_alone():
    assert cas not in measures()
    assert cas in measures("cas")
