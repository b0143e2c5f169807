"""Folders without what a run needs are refused before torch is imported, and leave nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from experiments import train
from experiments.jobs.preflight import preflight
from experiments.settings import contents
from lightning_gans.core.errors import UserError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paint(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(name)


def check(*argv):
    (job,) = preflight(argv)
    contents.check(job.config)
    return job


@pytest.mark.parametrize(
    "argv, said",
    [
        ("variant=dcgan data=folder data.root=empty", "data.root=empty holds no image file"),
        ("variant=cgan data=folder data.root=nowhere", "data.root=nowhere is not a folder"),
        ("variant=cgan data=folder data.root=empty", "data.root=empty holds no image at all"),
        ("variant=cgan data=folder data.root=flat", "no class folders: its 2 images lie in one folder"),
        (
            "variant=cgan data=folder data.root=flat network.model.classes=3",
            "variant=cgan is told the class of each image",
        ),
        ("variant=acgan data=folder data.root=stray", "x.png lies beside the folders that would be classes"),
        ("variant=cgan data=folder data.root=pets network.model.classes=4", "Say network.model.classes=3"),
        ("variant=dcgan data=folder data.root=flat metrics=classifier", "metrics=classifier trains a small classifier"),
        ("variant=dcgan data=folder data.root=flat metrics=inception metrics.weights=w.pth", "w.pth is no file"),
        ("variant=cyclegan data=unpaired data.a=flat data.b=empty", "data.b=empty holds no image file"),
        ("variant=cyclegan data=unpaired", "data=unpaired needs images of two domains"),
        ("variant=disentangle data=speech data.root=empty", "two or more speakers"),
    ],
)
def test_what_a_folder_lacks_is_told(argv, said):
    Path("empty/.hidden").mkdir(parents=True)
    paint("empty/.hidden/a.png", "flat/a.png", "flat/b.png", "stray/cat/a.png", "stray/dog/a.png", "stray/x.png")
    paint("pets/cat/a.png", "pets/dog/a.png", "pets/hen/a.png")
    with pytest.raises(UserError) as caught:
        check(*argv.split())
    assert said in str(caught.value)
    with pytest.raises(UserError):
        train.main(argv.split())
    assert sorted(path.name for path in Path().iterdir()) == ["empty", "flat", "pets", "stray"]


def test_class_folders_are_counted():
    paint("pets/train/cat/a.png", "pets/train/dog/a.png", "pets/test/cat/a.png")
    job = check("variant=cgan", "data=folder", "data.root=pets")
    assert job.config["network"]["model"]["classes"] == 2


def test_folders_with_what_is_needed_are_let_through():
    paint("flat/deep/deeper/a.JPG", "other/b.png")
    Path("flat/deep/round").symlink_to(Path("flat").absolute())
    check("variant=dcgan", "data=folder", "data.root=flat", "metrics=none")
    check("variant=cyclegan", "data=unpaired", "data.a=flat", "data.b=other")
    check("variant=cyclegan", "data=unpaired", "data.a=flat", "data.b=mnist")


def test_no_torch():
    code = "import experiments.settings.contents, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
