"""Composition, a run, a sweep and a job of two processes: whatever the release of Hydra is that they run under."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.jobs.preflight import preflight
from tests.helpers.composed import CONF

RECIPES = sorted(f"{path.parent.name} {path.stem}" for path in CONF.glob("recipe/*/*.yaml"))
RING = ("variant=vanilla", "data=ring", "logger=none", "metrics=none", "trainer.threads=1", "iterations=10")


@pytest.mark.slow  # test_settings.py checks the same under the usual release
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_composes(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    variant, data = recipe.split()
    (job,) = preflight([f"variant={variant}", f"data={data}"])
    assert (job.choices["variant"], job.choices["data"]) == (variant, data)
    assert job.config["run_dir"] == f"runs/{variant}-{data}-0"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words, runs",
    [
        ([], ["vanilla-ring-0"]),
        (
            ["-m", "seed=1,2", "variant.packing=1,2"],
            [f"vanilla-ring{p}-{s}" for p in ("", "-packing2") for s in (1, 2)],
        ),
        (["trainer=ddp", "trainer.devices=2"], ["vanilla-ring-0"]),
    ],
    ids=["run", "sweep", "two processes"],
)
def test_a_command_runs(words, runs, tmp_path):
    command = [sys.executable, "-m", "experiments.train", *words, *RING]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = {path.parent.name: json.loads(path.read_text()) for path in Path(tmp_path).glob("runs/*/summary.json")}
    assert {name: summary["status"] for name, summary in found.items()} == dict.fromkeys(runs, "finished")
