"""What config files compute of the choices of a run."""

import pytest

from datamodules.catalogue import CATALOGUE
from experiments.preflight import preflight
from experiments.schemas import fits
from lightning_gans.core.errors import UserError


def network(*overrides):
    (job,) = preflight(["variant=projection", "network=projection", *overrides])
    return job.config["network"]


@pytest.mark.parametrize("data, classes", [("digits", 10), ("cifar100", 100), ("emnist", 47)])
def test_classes_are_those_of_the_data(data, classes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = network(f"data={data}")
    assert found["discriminator"]["classes"] == found["model"]["generator"]["classes"] == classes


@pytest.mark.parametrize("data", [name for name, entry in CATALOGUE.items() if entry.classes is None])
def test_classes_that_are_not_known_have_to_be_said(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if CATALOGUE[data].kind == "planar":
        monkeypatch.setattr(fits, "NEEDS", {})
    unread = r"data=folder has is not known.*network\.model\.classes=N"
    said = unread if data == "folder" else rf"data={data} has none.*digits"
    with pytest.raises(UserError, match=said):
        network(f"data={data}")
    if CATALOGUE[data].kind == "image":
        assert network(f"data={data}", "network.model.classes=3")["discriminator"]["classes"] == 3
