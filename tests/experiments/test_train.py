"""The main job from the command line: it ends, is continued exactly, stops on request, and fails in words."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from PIL import Image

from experiments.jobs.sweep import apart
from lightning_gans import load_generator
from tests.experiments.conftest import Launcher
from tests.helpers.damage import DAMAGES
from tests.helpers.ring import RING
from tests.helpers.same import assert_same_run

DIGITS = (
    "variant=dcgan",
    "data.image_size=8",
    "network.model.generator.width=4",
    "data.batch_size=16",
    "metrics=none",
    "logger=none",
    "callbacks.grids.rows=2",
)


def summary(run):
    return json.loads((run / "summary.json").read_text())


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def weights(run):
    return (run / "generator" / "weights.safetensors").read_bytes()


def test_a_run_leaves_what_its_directory_promises(launcher):
    run = launcher.folder / "runs" / "vanilla-ring-3"
    budget = ("seed=3", "iterations=40", "callbacks.evaluation.every=10", "callbacks.grids.every=20")
    said = launcher.run(*RING, *budget, f"run_dir={run}")
    assert summary(run)["status"] == "finished"
    assert summary(run)["iterations"] == 40
    assert summary(run)["images"] == 40 * 32
    assert set(summary(run)["metrics"]) >= {"modes", "high_quality", "reverse_kl"}
    assert [int(row["iteration"]) for row in rows(run / "metrics.csv")] == [10, 20, 30, 40]
    assert {path.name for path in run.iterdir()} == {
        *("config.yaml", "command.txt", "metrics.csv", "losses.csv", "summary.json"),
        *("samples", "checkpoints", "generator", "curves.png", "report.html"),
    }
    assert {"iteration-00000000.png", "iteration-00000020.png", "iteration-00000040.png", "progress.gif"} <= {
        path.name for path in (run / "samples").iterdir()
    }
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["game"]["iteration"] == 40
    assert load_generator(run).sample(5, seed=0).shape == (5, 2)
    assert "experiments.sample" in said

    stamp = (run / "summary.json").stat().st_mtime_ns
    assert "finished" in launcher.run(*RING, *budget, f"run_dir={run}")
    assert (run / "summary.json").stat().st_mtime_ns == stamp, "a finished run is left as it is"

    launcher.run(*RING, *budget, f"run_dir={run}", "iterations=60")
    assert [int(row["iteration"]) for row in rows(run / "metrics.csv")] == [10, 20, 30, 40, 50, 60]
    assert "resume=never" in launcher.run(*RING, *budget, f"run_dir={run}", "resume=never", code=2)


def test_a_refused_resume_leaves_the_run_as_it_was(launcher):
    for name in ("cat", "dog"):
        (launcher.folder / "photos" / name).mkdir(parents=True)
        for value in range(30):
            Image.new("L", (8, 8), value).save(launcher.folder / "photos" / name / f"{value}.png")
    run = launcher.folder / "run"
    command = ("variant=cgan", "data=folder", "data.root=photos", "data.image_size=8", "data.batch_size=4")
    command += ("recipe=none", "metrics=none", "logger=none", "trainer.threads=1", f"run_dir={run}")
    launcher.run(*command, "iterations=2")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    (launcher.folder / "photos" / "cat").rename(launcher.folder / "photos" / "zebra")
    said = launcher.run(*command, "iterations=4", code=2)
    assert "Then: cat, dog. Now: dog, zebra." in said
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def killed_and_continued(launcher, command, kills):
    """Run `command` straight through and, in another directory, killed `kills` times at random moments."""
    straight, broken = launcher.folder / "straight", launcher.folder / "broken"
    began = time.monotonic()
    launcher.run(*command, f"run_dir={straight}")
    seconds = time.monotonic() - began
    moments = random.Random(0)
    for _ in range(kills):
        process = launcher.start(*command, f"run_dir={broken}")
        process.join(moments.uniform(0.2, 0.9) * seconds)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        process.join()
    launcher.run(*command, f"run_dir={broken}")
    return straight, broken


def same_run(straight, broken):
    assert weights(straight) == weights(broken)
    assert summary(straight)["metrics"] == summary(broken)["metrics"]
    written = [name for name in ("losses.csv", "metrics.csv") if (straight / name).is_file()]
    assert written == [name for name in ("losses.csv", "metrics.csv") if (broken / name).is_file()]
    for name in written:
        ours, theirs = ([row["iteration"] for row in rows(run / name)] for run in (straight, broken))
        assert ours == theirs, "every row once"
    pictures = [sorted(path.name for path in (run / "samples").iterdir()) for run in (straight, broken)]
    assert pictures[0] == pictures[1]


EVERY = ("callbacks.checkpoint.every=20", "callbacks.evaluation.every=50", "callbacks.grids.every=100")


def test_a_killed_run_continues_to_the_same_bytes(launcher):
    steps = ("iterations=300", "variant.discriminator_steps=2", "network.discriminator.dropout=0.1")
    same_run(*killed_and_continued(launcher, (*RING, *EVERY, *steps), kills=3))


@pytest.mark.slow
def test_ten_kills(launcher):
    steps = ("iterations=300", "variant.discriminator_steps=2")
    same_run(*killed_and_continued(launcher, (*DIGITS, *EVERY, *steps), kills=10))


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_run_with_a_damaged_checkpoint_goes_on_from_the_best_one_to_the_same_files(launcher, straight, damage):
    run = launcher.folder / "run"
    shutil.copytree(straight, run)
    # As killed after its last checkpoint
    text = (run / "summary.json").read_text()
    (run / "summary.json").write_text(text.replace('"finished"', '"running"'))
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["game"]["iteration"]
    DAMAGES[damage](run / "checkpoints" / "last.ckpt", random.Random(0))
    said = launcher.run(*RING, *TWO_HUNDRED, f"run_dir={run}")
    assert f"warning: {run} cannot go on from last.ckpt" in said
    assert f"iteration {best}: {200 - best} iterations are lost" in said
    assert 0 < best < 200
    assert_same_run(run, straight)


TWO_HUNDRED = ("iterations=200", "callbacks.evaluation.every=20", "callbacks.checkpoint.every=50", "seed=1")


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    Launcher(folder).run(*RING, *TWO_HUNDRED, f"run_dir={folder / 'run'}")
    return folder / "run"


def test_where_nothing_is_intact_it_says_what_to_do_and_changes_nothing(launcher, straight):
    run = launcher.folder / "run"
    shutil.copytree(straight, run)
    for name in ("last.ckpt", "best.ckpt"):
        (run / "checkpoints" / name).write_bytes(b"half")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    said = launcher.run(*RING, *TWO_HUNDRED, "iterations=300", f"run_dir={run}", code=2)
    assert len(said.strip().splitlines()) == 1
    assert "without an intact checkpoint" in said
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("content", [None, b"\xff\x00half"], ids=["missing", "binary"])
def test_damaged_reports_never_block_a_run(launcher, straight, content):
    run = launcher.folder / "run"
    shutil.copytree(straight, run)
    for name in ("summary.json", "metrics.csv", "losses.csv", "command.txt"):
        (run / name).unlink() if content is None else (run / name).write_bytes(content)
    launcher.run(*RING, *TWO_HUNDRED, "iterations=210", f"run_dir={run}")
    assert summary(run)["status"] == "finished"
    assert summary(run)["iterations"] == 210
    assert [row["iteration"] for row in rows(run / "metrics.csv")][-1] == "210"


def test_deleted_weights_are_exported_again(launcher, straight):
    run = launcher.folder / "run"
    shutil.copytree(straight, run)
    (run / "generator" / "weights.safetensors").unlink()
    launcher.run(*RING, *TWO_HUNDRED, f"run_dir={run}")
    assert_same_run(run, straight)


def test_damaged_weights_begin_no_run(launcher, straight):
    damaged, run = launcher.folder / "damaged.ckpt", launcher.folder / "runs" / "new"
    damaged.write_bytes((straight / "checkpoints" / "last.ckpt").read_bytes()[:-200])
    for key in ("init_from", "resume"):
        said = launcher.run(*RING, *TWO_HUNDRED, f"{key}={damaged}", f"run_dir={run}", code=2)
        assert len(said.strip().splitlines()) == 1
        assert "is damaged" in said
    torch.save({"state_dict": {"other": torch.zeros(3)}}, damaged)
    said = launcher.run(*RING, *TWO_HUNDRED, f"init_from={damaged}", f"run_dir={run}", code=2)
    assert "none of its 1 tensors fits" in said
    said = launcher.run(*RING, *TWO_HUNDRED, f"resume={damaged}", f"run_dir={run}", code=2)
    assert "not written by a run" in said
    assert not run.parent.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_save_and_say_how_to_go_on(launcher, number):
    run = launcher.folder / "run"
    command = (*DIGITS, "iterations=100000", f"run_dir={run}")
    process = launcher.start(*command)
    while not (run / "losses.csv").is_file():
        assert process.is_alive(), launcher.log.read_text()
        time.sleep(0.05)
    os.kill(process.pid, number)
    process.join(60)
    assert process.exitcode == 130
    assert "same command" in launcher.log.read_text()
    done = summary(run)["iterations"]
    assert summary(run)["status"] == "stopped"
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["game"]["iteration"] == done > 0


def test_divergence_is_named_and_exits_3(launcher):
    run = launcher.folder / "run"
    # A rate that no float survives: G's loss is the first that is not finite, and D's step the reason.
    said = launcher.run(
        *RING, "iterations=100", "variant.training.players.D.optimizer.lr=1e30", f"run_dir={run}", code=3
    )
    assert "The output of player D's network became NaN at iteration 1, in the phase of player G" in said
    assert "variant.training.players.D.optimizer.lr=" in said
    assert "players.G" not in said
    assert "Traceback" not in said
    assert summary(run)["status"] == "diverged"


def test_a_sweep_goes_on_after_a_diverged_job(launcher):
    said = launcher.run(
        "-m", *RING, "iterations=20", "variant.training.players.D.optimizer.lr=1e30,1e-3", "seed=5", code=3
    )
    states = sorted(summary(run)["status"] for run in (launcher.folder / "runs").glob("[!.]*"))
    assert states == ["diverged", "finished"], said


def test_another_run_gives_its_weights(launcher):
    first, second = launcher.folder / "first", launcher.folder / "second"
    launcher.run(*RING, "iterations=20", f"run_dir={first}")
    launcher.run(*RING, "iterations=1", "seed=9", f"run_dir={second}", f"init_from={first}")
    state = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"] for run in (first, second)]
    name = "model.generator.layers.0.weight"
    assert (state[0][name] - state[1][name]).abs().max() < 0.01, "one step away from where the first run ended"
    assert yaml.safe_load((second / "config.yaml").read_text())["init_from"] == str(first)


def test_a_variant_from_outside_trains(launcher):
    package = launcher.folder / "mine.py"
    package.write_text(
        "from lightning_gans.variants.vanilla import GAN\n\n\n"
        "class Half(GAN):\n"
        "    def generator_loss(self, batch):\n"
        "        return {name: term / 2 for name, term in super().generator_loss(batch).items()}\n"
    )
    conf = launcher.folder / "conf" / "variant"
    conf.mkdir(parents=True)
    (conf / "half.yaml").write_text(
        "# @package _global_\ndefaults:\n  - vanilla\n  - override /network: mlp\nvariant:\n  _target_: mine.Half\n"
    )
    outside = [argument for argument in RING if not argument.startswith("variant=")]
    said = launcher.run(
        *("--config-dir", "conf", "variant=half", "network=planar", *outside, "iterations=5", "run_dir=run")
    )
    assert summary(launcher.folder / "run")["status"] == "finished", said


def test_a_run_goes_on_under_its_recorded_defaults(launcher):
    code = (
        "from lightning_gans.variants.vanilla import GAN\n\n\n"
        "class Weighted(GAN):\n"
        "    def __init__(self, *, weight: float = 0.5, **settings):\n"
        "        super().__init__(**settings)\n"
        "        self.weight = weight\n\n"
        "    def generator_loss(self, batch):\n"
        "        return {name: self.weight * term for name, term in super().generator_loss(batch).items()}\n"
    )
    conf = launcher.folder / "conf" / "variant"
    conf.mkdir(parents=True)
    (conf / "weighted.yaml").write_text(
        "# @package _global_\ndefaults:\n  - vanilla\n  - override /network: mlp\nvariant:\n  _target_: mine.Weighted\n"
    )
    outside = [argument for argument in RING if not argument.startswith("variant=")]
    line = ("--config-dir", "conf", "variant=weighted", "network=planar", *outside, "metrics=none", "run_dir=run")
    (launcher.folder / "mine.py").write_text(code)
    launcher.run(*line, "iterations=5")
    (launcher.folder / "mine.py").write_text(code.replace("0.5", "0.25"))
    said = launcher.run(*line, "iterations=10")
    assert "continued from" in said
    config = yaml.safe_load((launcher.folder / "run" / "config.yaml").read_text())
    assert config["variant"]["weight"] == 0.5
    assert "another configuration (variant.weight: 0.5 there, 0.125 here)" in launcher.run(
        *line, "iterations=10", "variant.weight=0.125", code=2
    )


def test_a_request_to_stop_a_sweep_reaches_the_job_that_runs_apart(monkeypatch):
    script = (
        "import signal, sys\nsignal.signal(signal.SIGUSR1, lambda *_: sys.exit(130))\nprint(flush=True)\nsignal.pause()"
    )

    class Asked(subprocess.Popen):
        def __init__(self, command, env):
            super().__init__([sys.executable, "-c", script], stdout=subprocess.PIPE)
            self.stdout.readline()

        def wait(self):
            signal.raise_signal(signal.SIGUSR1)
            return super().wait(60)

    monkeypatch.setattr(subprocess, "Popen", Asked)
    before = signal.getsignal(signal.SIGUSR1)
    assert apart([]) == (130, [signal.SIGUSR1])
    assert signal.getsignal(signal.SIGUSR1) == before
