"""Folders of data: absolute in a run's config.yaml, and found again from elsewhere."""

from pathlib import Path

import pytest
import yaml

from experiments.runs.resume import differences
from experiments.settings import places
from lightning_gans.core.errors import UserError

FOLDER = {"data": {"_target_": "datamodules.Folder", "root": "images", "batch_size": 8}, "data_dir": "data"}
PAIR = {
    "data": {"_target_": "datamodules.Unpaired", "a": "mnist", "b": "photos/", "root": None, "data_dir": "data"},
    "data_dir": "data",
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    return tmp_path


def test_folders_become_absolute_and_names_of_sets_stay(here):
    (here / "mnist").mkdir()
    assert places.absolute(FOLDER) == {
        "data": {**FOLDER["data"], "root": str(here / "images")},
        "data_dir": str(here / "data"),
    }
    found = places.absolute(PAIR)["data"]
    assert (found["a"], found["b"], found["root"]) == ("mnist", str(here / "photos"), None)
    assert places.absolute(places.absolute(PAIR)) == places.absolute(PAIR)


def test_the_same_folder_is_no_difference_however_it_is_written(here):
    assert not differences(PAIR, places.absolute(PAIR))
    other = {**PAIR, "data": {**PAIR["data"], "b": "drawings/"}}
    assert [difference.key for difference in differences(other, places.absolute(PAIR))] == ["data.b"]


def test_a_relative_folder_is_looked_for_where_the_run_was_made(here, monkeypatch):
    run = here / "runs" / "mine"
    run.mkdir(parents=True)
    config = {**FOLDER, "run_dir": "runs/mine"}
    assert places.found(config, Path("runs/mine")) == config
    monkeypatch.chdir("/")
    assert places.found(config, run)["data"]["root"] == str(here / "images")
    assert places.found({**config, "run_dir": "elsewhere/mine"}, run)["data"]["root"] == "images"


@pytest.mark.parametrize("config, key", [(FOLDER, "data.root"), (PAIR, "data.b")])
def test_a_folder_that_is_not_there_is_refused(tmp_path, monkeypatch, config, key):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"{key}=\S+ is not a folder\. Say {key}=DIR"):
        places.check(config)


def test_a_run_tells_its_classes_and_exports_their_names(launcher):
    said = launcher.run(
        *("variant=cgan", "data=digits", "data.image_size=8", "data.batch_size=4", "metrics=none", "logger=none"),
        *("network.model.generator.width=2", "network.discriminator.width=2", "iterations=2", "run_dir=run"),
    )
    assert "classes: 0 1 2 3 4 5 6 7 8 9\n" in said
    about = yaml.safe_load((launcher.folder / "run" / "generator" / "model.yaml").read_text())["about"]
    assert about["classes"] == [str(i) for i in range(10)]


def test_a_run_has_its_folders_absolute_and_goes_on_by_the_same_command(launcher):
    from PIL import Image

    images = launcher.folder / "images"
    images.mkdir()
    for i in range(12):
        Image.new("L", (8, 8), i).save(images / f"{i}.png")
    command = [
        *("variant=dcgan", "data=folder", "data.root=images", "data.image_size=8", "data.channels=1", "run_dir=run"),
        *("data.batch_size=4", "metrics=none", "logger=none", "network.model.generator.width=2"),
        "network.discriminator.width=2",
    ]
    launcher.run(*command, "iterations=2")
    assert f"root: {images}" in (launcher.folder / "run" / "config.yaml").read_text()
    assert "continued from" in launcher.run(*command, "iterations=3")
