"""Packaging: contents of a wheel, pinned versions against their floors, and the files of the project's habits."""

import configparser
import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
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


# Habits


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def lint_commands():
    (line,) = re.findall(r"for check in (.*); do", text("Makefile"))
    return shlex.split(line)


def test_pre_commit_runs_the_commands_of_make_lint():
    (repository,) = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]
    hooks = repository["hooks"]
    assert [hook["entry"].removeprefix(".venv/bin/") for hook in hooks] == lint_commands()
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in hooks} == {"system"}
    assert not any(hook["pass_filenames"] for hook in hooks)
    (venv,) = re.findall(r"^VENV \?= (.*)$", text("Makefile"), flags=re.MULTILINE)
    assert all(hook["entry"].startswith(f"{venv}/bin/") for hook in hooks)


def test_the_workflow_runs_what_anyone_can_run_here():
    (workflow,) = (ROOT / ".github" / "workflows").iterdir()
    (job,) = yaml.safe_load(workflow.read_text())["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_workflow_tests_the_oldest_python(settings):
    (workflow,) = (ROOT / ".github" / "workflows").iterdir()
    (job,) = yaml.safe_load(workflow.read_text())["jobs"].values()
    assert f">={min(job['strategy']['matrix']['python'])}" == settings["options"]["python_requires"]


def test_the_citation_is_of_the_present_version(settings):
    citation = yaml.safe_load(text("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= {*citation}
    assert citation["version"] == settings["metadata"]["version"]
    assert citation["license"] == settings["metadata"]["license"]
    assert f"## [{citation['version']}] - {citation['date-released']}" in text("CHANGELOG.md")


def test_the_changelog_keeps_its_form(settings):
    titles = re.findall(r"^## (.*)$", text("CHANGELOG.md"), flags=re.MULTILINE)
    assert titles[0] == "[Unreleased]"
    assert titles[1].startswith(f"[{settings['metadata']['version']}] - ")
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", title) for title in titles[1:])
    groups = re.findall(r"^### (.*)$", text("CHANGELOG.md"), flags=re.MULTILINE)
    assert {*groups} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_contributing_names_targets_files_and_marks_that_exist(settings):
    page = text("CONTRIBUTING.md")
    targets = re.findall(r"^([a-z-]+):", text("Makefile"), flags=re.MULTILINE)
    named = re.findall(r"(?:`|^ +)make ([a-z-]+)", page, flags=re.MULTILINE)
    assert len(named) > 5
    assert {*named} <= {*targets}
    linked = re.findall(r"\]\(([^):]+)\)|`(tests/[^`]+\.py)`", page)
    assert [
        name for pair in linked for name in pair if name and "NAME" not in name and not (ROOT / name).exists()
    ] == []
    marks = [line.partition(":")[0] for line in settings["tool:pytest"]["markers"].split("\n") if line]
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == marks


def test_pages_that_sources_name_exist():
    """`docs/NAME.md` in docstrings, messages and comments of configurations."""
    files = [file for name in PACKAGES for kind in ("*.py", "*.yaml") for file in (ROOT / name).rglob(kind)]
    named = {page for file in files for page in re.findall(r"\bdocs/[\w/]+\.md\b", file.read_text(encoding="utf-8"))}
    assert len(named) > 5
    assert sorted(page for page in named if not (ROOT / page).is_file()) == []
