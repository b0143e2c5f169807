"""Every training command that the pages show is one that the program takes."""

import re
import shlex
from pathlib import Path

import pytest

from experiments.jobs import preflight as checks
from experiments.jobs import slurm
from experiments.jobs.preflight import plan

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OWN = ("--config-dir", "my_gans", "ARGS", "DIR/", "...")  # commands that need files of the reader's


def commands():
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for line in re.findall(r"^(?:    |\t)(?:\S+/)?python -m experiments\.train\b(.*)$", text, flags=re.MULTILINE):
            arguments = shlex.split(line, comments=True)
            if not any(mark in argument for argument in arguments for mark in OWN):
                yield pytest.param(arguments, id=f"{page.stem}: {' '.join(arguments)}")


COMMANDS = list(commands())


def test_there_are_some():
    assert len(COMMANDS) > 30


def accepted(arguments):
    # One seed of a study composes as all of them; a study that trains nothing has no jobs.
    found = plan([re.sub(r"^seed=[\d,]+$", "seed=1", argument) for argument in arguments])
    return found.jobs or found.study


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_command_of_the_pages_is_one(arguments, tmp_path, monkeypatch):
    """Compose the command; the first and the last job of a study."""
    monkeypatch.chdir(tmp_path)
    for name in ("cat", "dog"):  # class folders are counted
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").touch()
    monkeypatch.setattr(slurm, "installed", lambda: True)
    monkeypatch.setattr(slurm, "_ask", lambda *_: "")
    asked_of = checks._asked_of
    monkeypatch.setattr(checks, "_asked_of", lambda *given: ends(asked_of(*given)))
    assert accepted(arguments)


def ends(jobs):
    return jobs if len(jobs) < 3 else [jobs[0], jobs[-1]]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [one for one in COMMANDS if "experiment=study/" in " ".join(one.values[0])])
def test_every_job_of_a_study_is_one(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert accepted(arguments)
