"""What `pip install .` gives, and that the tested versions meet the floors."""

import configparser
import importlib
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from experiments import __main__ as commands

ROOT = Path(__file__).parents[1]
PACKAGES = ("lightning_gans", "datamodules", "experiments")


@pytest.fixture(scope="module")
def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg")
    return parser


def floors(settings: configparser.ConfigParser) -> list[Requirement]:
    texts = [settings["options"]["install_requires"], *settings["options.extras_require"].values()]
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    return [requirement for requirement in map(Requirement, lines) if requirement.name != "lightning-gans"]


def pins() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}


def exact_version(pin: Requirement) -> str:
    (specifier,) = pin.specifier
    assert specifier.operator == "==", f"{pin} is not an exact version"
    return specifier.version


def test_every_requirement_is_pinned_at_a_version_its_floor_allows(settings):
    pinned = {name: exact_version(pin) for name, pin in pins().items()}
    asked = floors(settings)
    assert len(asked) > 20
    assert [str(floor) for floor in asked if pinned.get(canonicalize_name(floor.name)) not in floor.specifier] == []


@pytest.mark.parametrize("version", ["2.6.2", "2.6.3"])
def test_malicious_uploads_of_lightning_are_refused(settings, version):
    (lightning,) = (floor for floor in floors(settings) if floor.name == "pytorch-lightning")
    assert version not in lightning.specifier
    assert "2.6.4" in lightning.specifier


def test_the_console_script_runs_the_commands(settings):
    (line,) = settings["options.entry_points"]["console_scripts"].strip().splitlines()
    script, _, place = line.partition(" = ")
    module, _, function = place.partition(":")
    assert script == commands.SCRIPT
    assert getattr(importlib.import_module(module), function) is commands.main


def test_pyproject_holds_the_build_system_alone():
    assert set(tomllib.loads((ROOT / "pyproject.toml").read_text())) == {"build-system"}


def test_a_wheel_holds_the_three_packages_with_their_configurations(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys, setuptools.build_meta as backend; print(backend.build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=source, check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = [path for name in PACKAGES for path in (source / name).rglob("*") if path.is_file()]
    expected = {path.relative_to(source).as_posix() for path in files}
    assert any(name.startswith("experiments/conf/") for name in expected)
    assert held == expected
