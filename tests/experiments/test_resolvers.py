"""What config files compute of the choices of a run."""

import pytest

from datamodules.catalogue import CATALOGUE
from experiments.preflight import preflight
from lightning_gans.core.errors import UserError


def network(*overrides):
    (job,) = preflight(["network=projection", *overrides])
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
    with pytest.raises(UserError, match=r"network.*classes.*(celeba|lsun|folder).*digits, .*stl10"):
        network(f"data={data}")
    given = "network.model.generator.classes=3", "network.discriminator.classes=3"
    assert network(f"data={data}", *given)["discriminator"]["classes"] == 3
