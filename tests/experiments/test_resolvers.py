"""What config files compute of the choices of a run."""

import pytest

from datamodules.catalogue import CATALOGUE
from experiments.preflight import preflight
from lightning_gans.core.errors import UserError
from tests.helpers.composed import composed


def network(*overrides):
    (job,) = preflight(["variant=projection", "network=projection", *overrides])
    return job.config["network"]


@pytest.mark.parametrize("data, classes", [("digits", 10), ("cifar100", 100), ("emnist", 47)])
def test_classes_are_those_of_the_data(data, classes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = network(f"data={data}")
    assert found["discriminator"]["classes"] == found["model"]["generator"]["classes"] == classes


@pytest.mark.parametrize("data", ["celeba", "lsun", "folder"])
def test_classes_that_are_not_known_have_to_be_said(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CATALOGUE[data].classes is None
    unread = r"data=folder has is not known.*network\.model\.classes=N"
    with pytest.raises(
        UserError, match=unread if data == "folder" else rf"data={data} has none\. Data that fit: digits"
    ):
        network(f"data={data}")
    assert network(f"data={data}", "network.model.classes=3")["discriminator"]["classes"] == 3


@pytest.mark.parametrize("data, weight", [("digits", 10.0), ("ring", 0.1)])
def test_what_suits_images_does_not_suit_points(data, weight):
    assert composed("wgan_gp", f"data={data}")["penalty"]["weight"] == weight
    assert composed("wgan_gp", f"data={data}", "penalty=r1")["penalty"]["gamma"] == 0.1
    assert composed("wgan_gp", f"data={data}", "penalty.weight=3")["penalty"]["weight"] == 3


@pytest.mark.parametrize("discriminator, logits", [("binary", 1), ("three_way", 3)])
def test_a_discriminator_has_a_logit_for_each_kind_that_it_tells_apart(discriminator, logits):
    config = composed("vaegan", f"variant.discriminator={discriminator}")
    assert config["variant"]["dis"]["outputs"] == logits
