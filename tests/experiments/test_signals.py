"""Runs that are signalled at random moments, until they end: nothing is lost, and they are the undisturbed run."""

import csv
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_gans.core.signals import SIGNALS

ROOT = Path(__file__).parents[2]
SMALL = ("logger=none", "trainer.threads=1", "callbacks.grids.rows=2", "callbacks.grids.columns=2")
RING = (
    *("variant=vanilla", "data=ring", "network.model.generator.width=16", "network.discriminator.width=16"),
    *("data.batch_size=32", "iterations=600", "callbacks.evaluation.every=100", "callbacks.evaluation.samples=4000"),
    *("callbacks.grids.every=200", "callbacks.checkpoint.every=150"),
)
DIGITS = (
    *("variant=bigan", "data=digits", "data.image_size=8", "network.model.generator.width=4", "data.batch_size=16"),
    *("iterations=120", "callbacks.evaluation.every=20", "callbacks.grids.every=40", "callbacks.checkpoint.every=30"),
)


def contents(run):
    """All that a run leaves but for times and speeds: tables, figures, pictures and weights, by name."""
    found = {}
    for name in ("metrics.csv", "losses.csv"):
        with (run / name).open() as file:
            rows = list(csv.DictReader(file))
        timed = ("seconds", "iterations_per_second", "images_per_second")
        found[name] = [{key: value for key, value in row.items() if key not in timed} for row in rows]
    summary = json.loads((run / "summary.json").read_text())
    found["summary.json"] = {key: summary[key] for key in ("status", "iterations", "metrics", "test", "losses")}
    found |= {path.name: path.read_bytes() for path in (run / "samples").iterdir()}
    return found | {"weights": (run / "generator" / "weights.safetensors").read_bytes()}


def same(run, undisturbed):
    ours, theirs = contents(run), contents(undisturbed)
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []


def iterations(run):
    """Iterations of the newest checkpoint, as the run prints them."""
    file = run / "summary.json"
    return json.loads(file.read_text())["iterations"] if file.is_file() else 0


class Forked:
    """A run in a process forked from one that has imported what is slow to import."""

    def __init__(self, launcher, command):
        self.process = launcher.start(*command)
        self.pid = self.process.pid

    def wait(self, seconds):
        """Its exit code, or None while it runs after so many seconds."""
        self.process.join(seconds)
        return self.process.exitcode


class Started(subprocess.Popen):
    """A run of the command itself."""

    def wait(self, seconds=None):
        try:
            return super().wait(seconds)
        except subprocess.TimeoutExpired:
            return None


def signalled(begin, folder, *, signals, seed):
    """Send so many signals to runs, 0 to 20 ms apart where there are several, start each again until it is done, and
    compare it with one that was not disturbed.

    They come within the first two thirds of what the undisturbed run took, so that some come before it trains, most in
    training and evaluations, and some at its end.

    begin: a run's directory -> the started process.
    """
    began = time.monotonic()
    assert begin(folder / "undisturbed").wait(300) == 0
    seconds = (time.monotonic() - began) * 2 / 3
    chance = random.Random(seed)
    sent = runs = 0
    while sent < signals:
        runs += 1
        run, code = folder / f"signalled-{runs}", None
        while code != 0:
            before = iterations(run)
            process = begin(run)
            code = process.wait(chance.uniform(0.1, 1) * seconds)
            for _ in range(chance.randint(1, 3) if code is None and sent < signals else 0):
                os.kill(process.pid, chance.choice(SIGNALS))
                sent += 1
                time.sleep(chance.uniform(0, 0.02))
            asked = time.monotonic()
            code = process.wait(300)
            assert code in (0, 130, *(-number for number in SIGNALS)), "before the start there is nothing to save"
            assert code == 0 or time.monotonic() - asked < 20
            assert iterations(run) >= before, "nothing is lost"
        same(run, folder / "undisturbed")


@pytest.mark.slow
@pytest.mark.parametrize("command", [RING, DIGITS], ids=["ring", "digits"])
def test_twenty_signals(launcher, command):
    def begin(run):
        return Forked(launcher, (*command, *SMALL, f"run_dir={run}"))

    signalled(begin, launcher.folder, signals=20, seed=len(command))
    assert "Traceback" not in launcher.log.read_text()


@pytest.mark.slow
@pytest.mark.ddp
def test_twenty_signals_to_two_processes(tmp_path):
    command = [sys.executable, "-m", "experiments.train", *RING, *SMALL, "trainer=ddp", "trainer.devices=2"]
    log = (tmp_path / "log.txt").open("a")

    def begin(run):
        # Ctrl-C and a closed terminal reach both processes, `kill` one alone: here the first
        return Started([*command, f"run_dir={run}"], cwd=ROOT, stdout=log, stderr=log)

    signalled(begin, tmp_path, signals=20, seed=0)
