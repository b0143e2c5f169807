"""Sweeps and searches: the commands of the jobs, their exit codes, and every launcher and sweeper that is supported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra

from experiments import cli, train
from experiments.configuration.composing import VERSION, Composer
from experiments.jobs import preflight
from experiments.studies import saturation
from lightning_gans.core.errors import UserError

RING = ("variant=vanilla", "data=ring", "logger=none", "metrics=none", "trainer.threads=1")
SEARCH = ("-m", *RING[:3], "hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=1")
LR = "variant.training.players.D.optimizer.lr"


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Jobs that end at once: the arguments of each, and `codes` of those with a word in their arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    started, codes, values = [], {}, {}

    class Job:
        def __init__(self, command, env):
            assert env["HYDRA_FULL_ERROR"] == "0", "a refused job says one paragraph"
            assert command[:3] == [sys.executable, "-m", "experiments.train"]
            self.command = command[3:]
            started.append(self.command)

        def wait(self):
            code = next((code for word, code in codes.items() if word in self.command), 0)
            (job,) = preflight.preflight(self.command)
            job.run_dir.mkdir(parents=True, exist_ok=True)
            status = {0: "finished", 3: "diverged", 130: "stopped"}.get(code, "running")
            value = next((value for word, value in values.items() if word in self.command), 0.5)
            metrics = {"mode_score": {"last": value, "best": value, "best_iteration": 1}}
            summary = {"status": status, "iterations": 5000, "headline": "mode_score", "metrics": metrics}
            (job.run_dir / "summary.json").write_text(json.dumps(summary))
            return code

        def send_signal(self, number):
            """Nobody listens."""

    monkeypatch.setattr(subprocess, "Popen", Job)
    return started, codes, values


def test_every_job_is_a_command_of_its_own(jobs, capsys):
    started, _, _ = jobs
    assert train.main(["-m", *RING, "seed=1,2", "variant.packing=1,2"]) == cli.DONE
    assert [[line.lstrip("+") for line in command[-2:]] for command in started] == [
        ["seed=1", "variant.packing=1"],
        ["seed=1", "variant.packing=2"],
        ["seed=2", "variant.packing=1"],
        ["seed=2", "variant.packing=2"],
    ]
    said = capsys.readouterr()
    assert said.out.count("Job ") == 4
    assert "Job 4 of 4" in said.out
    assert said.err == ""


@pytest.mark.usefixtures("jobs")
def test_variables_that_name_one_run_are_kept_from_the_jobs(monkeypatch, capsys):
    seen = []
    launch = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda command, env: seen.append(env) or launch(command, env))
    for name in ("WANDB_RUN_ID", "WANDB_NAME", "WANDB_TAGS"):
        monkeypatch.setenv(name, "x")
    assert train.main(["-m", *RING, "seed=1,2"]) == cli.DONE
    assert [sorted(name for name in env if name in ("WANDB_RUN_ID", "WANDB_NAME", "WANDB_TAGS")) for env in seen] == [
        ["WANDB_TAGS"],
        ["WANDB_TAGS"],
    ]
    assert "WANDB_RUN_ID and WANDB_NAME: ignored in a multirun" in capsys.readouterr().out


def test_a_sweep_returns_the_worst_and_goes_on(jobs):
    started, codes, _ = jobs
    codes |= {"seed=1": 3, "seed=3": 2}
    assert train.main(["-m", *RING, "seed=1,2,3,4"]) == cli.DIVERGED
    assert len(started) == 4


def test_ctrl_c_ends_a_sweep(jobs):
    started, codes, _ = jobs
    codes["seed=2"] = 130
    assert train.main(["-m", *RING, "seed=1,2,3"]) == cli.INTERRUPTED
    assert len(started) == 2


def test_all_jobs_are_checked_before_the_first_starts(jobs, tmp_path):
    started, _, _ = jobs
    with pytest.raises(UserError, match=r"^Job 3 of 3 .*data.batch_size=0"):
        train.main(["-m", *RING, "data.batch_size=32,64,0"])
    assert started == []
    assert list(tmp_path.iterdir()) == []


def test_a_users_own_folder_reaches_every_job(jobs, tmp_path):
    started, _, _ = jobs
    (tmp_path / "conf" / "variant").mkdir(parents=True)
    (tmp_path / "conf" / "variant" / "mine.yaml").write_text("# @package _global_\ndefaults:\n  - vanilla\n")
    line = ["--config-dir", "conf", "-m", "variant=mine", *RING[1:], "network=planar", "seed=1,2"]
    assert train.main(line) == cli.DONE
    assert [command[0] for command in started] == [f"--config-dir={tmp_path / 'conf'}"] * 2


def test_a_study_is_launched_as_its_lines(jobs, monkeypatch):
    started, _, _ = jobs
    reported = []
    monkeypatch.setattr(saturation, "report", lambda folders, where: reported.append(len(folders)))
    assert train.main(["experiment=study/saturation", "seed=1,2", "logger=none"]) == cli.DONE
    assert len(started) == 4
    assert all("~study" in command for command in started)
    assert reported == [4]


def test_a_search_maximises_what_is_better_higher(jobs, tmp_path, capsys):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    started, codes, values = jobs
    values |= {f"{LR}=0.01": 0.9, f"{LR}=0.001": 0.2, f"{LR}=0.1": 0.4}
    codes[f"{LR}=0.1"] = 3
    assert train.main([*SEARCH, f"{LR}=choice(1e-1,1e-2,1e-3)", "hydra.sweeper.sampler.seed=3"]) in (0, 3)
    assert len(started) == 3
    results = yaml.safe_load((tmp_path / "runs" / ".sweep" / "optimization_results.yaml").read_text())
    tried = {float(word.partition("=")[2]) for command in started for word in command if word.startswith(LR)}
    best = 0.01 if 0.01 in tried else 0.001
    assert results["best_params"][LR] == best
    assert f"Best mode_score: {0.9 if best == 0.01 else 0.2} with {LR}={best}" in capsys.readouterr().out


def test_a_search_without_any_value_says_so(jobs):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    started, codes, _ = jobs
    codes["data=ring"] = 3
    with pytest.raises(UserError, match="No job of this search came to a value"):
        train.main([*SEARCH, f"{LR}=interval(1e-4,1e-2)"])
    assert len(started) == 3


@pytest.mark.parametrize(
    "argv, said",
    [
        (("-m", "hydra.run.dir=x", "seed=1,2"), "run_dir=DIR says where a run lives"),
        (("-m", "hydra.sweep.dir=x", "seed=1,2"), "run_dir=DIR says where a run lives"),
        (("hydra/launcher=joblib",), "Add -m"),
        (("-m", "hydra.searchpath=[file:///tmp]"), "--config-dir DIR"),
        (("-m", "hydra/sweeper=optuna", "metrics=none", f"{LR}=interval(1e-4,1e-2)"), "metrics=none measures nothing"),
        (("-m", "hydra/sweeper=optuna", f"{LR}=interval(-1,1e-2)"), r"Job 1 of 2 .*out of range"),
        (("-m", "seed=interval(1,2)"), "hydra/sweeper=optuna"),
        (("-m", "hydra/sweeper=optunaa", f"{LR}=1e-3,1e-2"), "optunaa"),
        (("-m", "hydra/launcher=jobib", "seed=1,2"), "jobib"),
    ],
)
def test_what_a_sweep_cannot_do_is_refused(argv, said, jobs, tmp_path):
    started, _, _ = jobs
    usual = [line for line in RING if not line.startswith("metrics")]
    with pytest.raises(UserError, match=said):
        train.main([*usual, *argv])
    assert "HYDRA_FULL_ERROR" not in os.environ, "the refusal would be a traceback"
    assert started == []
    assert list(tmp_path.iterdir()) == []


def test_a_job_composes_where_hydra_is_at_work():
    """A worker of a launcher is told of Hydra's state before it runs the job, whose directory it then looks up."""
    with hydra.initialize_config_module("experiments.conf", **VERSION):
        before = GlobalHydra.instance().hydra
        assert Composer().compose([]).choices["variant"]
        assert GlobalHydra.instance().hydra is before


# Real launchers, with real runs


def command(line, folder):
    """The command in a process of its own, ended."""
    words = [sys.executable, "-m", "experiments.train", *line]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_a_sweep_under_every_launcher(launcher, tmp_path):
    """A job that diverges ends neither the sweep nor its launcher, and the sweep returns its code."""
    line = ["-m", *RING, "iterations=20", f"{LR}=1e30,1e-3", f"hydra/launcher={launcher}"]
    done = command(line, tmp_path)
    assert done.returncode == cli.DIVERGED, done.stderr
    statuses = sorted(json.loads(path.read_text())["status"] for path in (tmp_path / "runs").glob("*/summary.json"))
    assert statuses == ["diverged", "finished"]
    assert command(line, tmp_path).returncode in (cli.REFUSED, cli.DIVERGED)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib", "submitit_local"])
def test_jobs_of_two_processes_under_every_launcher(launcher, tmp_path):
    line = ["-m", *RING, "iterations=10", "trainer=ddp", "trainer.devices=2", "seed=1,2", f"hydra/launcher={launcher}"]
    done = command(line, tmp_path)
    assert done.returncode == cli.DONE, done.stderr
    for seed in (1, 2):
        run = Path(tmp_path, "runs", f"vanilla-ring-{seed}")
        assert json.loads((run / "summary.json").read_text())["status"] == "finished"


@pytest.mark.slow
def test_a_search_of_real_runs(tmp_path):
    line = [*SEARCH, "trainer.threads=1", "iterations=10", f"{LR}=interval(1e-4,1e-2)"]
    done = command(line, tmp_path)
    assert done.returncode == cli.DONE, done.stderr
    results = yaml.safe_load((tmp_path / "runs" / ".sweep" / "optimization_results.yaml").read_text())
    assert 1e-4 <= results["best_params"][LR] <= 1e-2
