"""W&B's offline files of whole commands: a multirun, a resumed run and a run of two processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.offline_runs import OfflineRun, read_offline_run

RUN = (
    *("variant=vanilla", "data=ring", "trainer.threads=1", "trainer.log_every=2", "data.batch_size=16"),
    *("callbacks.evaluation.every=2", "callbacks.evaluation.samples=64", "callbacks.grids.every=2"),
    *("callbacks.checkpoint.every=2", "logger.wandb.log_model=true"),
)
ENVIRONMENT = {"WANDB_PROJECT": "p", "WANDB_RUN_GROUP": "g", "WANDB_TAGS": "mine", "WANDB_RUN_ID": "abc"}


def check(found: OfflineRun, run_dir: Path, iterations: list[int]) -> None:
    """Contents of every sitting: names, keys, axes, summary, media, artifacts."""
    assert (found.run["display_name"], found.run["job_type"]) == (run_dir.name, "train")
    assert found.run["tags"][:3] == ["vanilla", "ring", "non_saturating"]
    assert found.config["choices"]["objective"] == "non_saturating"
    assert found.config["data"]["batch_size"] == 16
    lines = (run_dir / "command.txt").read_text().splitlines()
    assert found.config["command"] in lines
    assert f"commit {found.config['commit']}" in lines
    assert found.axes["*"] == "iteration"
    assert found.axes["eval/mode_score"] == "iteration"
    assert all(row["iteration"] == step for step, row in found.history.items())
    measured = {step: row for step, row in found.history.items() if "eval/mode_score" in row}
    assert sorted(measured) == iterations  # early frames of the animation are rows of a picture alone
    for row in measured.values():
        assert {"eval/mode_score", "eval/modes", "train/D/loss", "train/G/loss", "images", "seconds"} <= {*row}
        picture = found.file.parent / "files" / row["samples/grid.path"]
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert found.summary["status"] == "finished"
    assert found.summary["eval/mode_score"]["max"] == max(row["eval/mode_score"] for row in measured.values())
    summary = json.loads((run_dir / "summary.json").read_text())
    assert found.summary["eval/mode_score.best"] == summary["metrics"]["mode_score"]["best"]
    assert {alias for artifact in found.artifacts for alias in artifact["aliases"]} == {"best", "latest"}
    for artifact in found.artifacts:
        assert (artifact["type"], artifact["name"]) == ("model", run_dir.name)
        assert artifact["metadata"]["command"] in lines
        assert artifact["metadata"]["evaluation"]["samples"] == 64
        assert artifact["metadata"]["metrics"]["mode_score"] is not None
        paths = {entry["path"] for entry in artifact["manifest"]["contents"]}
        assert {"model.yaml", "weights.safetensors"} <= paths
    assert found.exit_code == 0


def test_a_multirun_and_a_run_that_is_continued(launcher, tmp_path):
    launcher.environ = {**ENVIRONMENT}
    said = launcher.run("-m", *RUN, "iterations=4", "seed=1,2")
    assert "WANDB_RUN_ID: ignored in a multirun" in said
    launcher.run(*RUN, "iterations=8", "seed=1")
    one, two = (next((tmp_path / "runs").glob(f"vanilla-ring-*{seed}")) for seed in (1, 2))
    first, second, continued = read_offline_run(one, two)
    check(first, one, [2, 4])
    check(second, two, [2, 4])
    check(continued, one, [6, 8])
    ids = [found.run["run_id"] for found in (first, second, continued)]
    assert ids[0] == ids[2] != ids[1]  # its own id goes before the variable, so `wandb sync` sends both as one run
    assert "abc" not in ids
    for found in (first, second, continued):
        assert (found.run["project"], found.run["run_group"]) == ("p", "g")
        assert found.run["tags"][3:] == ["mine"]
        assert found.run["resume"] is True


@pytest.mark.slow
@pytest.mark.ddp
def test_a_run_of_two_processes_is_one_w_and_b_run(tmp_path):
    command = [sys.executable, "-m", "experiments.train", *RUN, "iterations=4", "trainer=ddp", "trainer.devices=2"]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, **ENVIRONMENT}, check=True, timeout=300)
    (run_dir,) = (tmp_path / "runs").glob("vanilla-ring-*")
    (found,) = read_offline_run(run_dir)
    check(found, run_dir, [2, 4])
    assert found.run["run_id"] == "abc"
    assert (run_dir / "wandb" / "id.txt").read_text() == "abc\n"
