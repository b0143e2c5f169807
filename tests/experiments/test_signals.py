"""Runs that are signalled at random moments, until they end: nothing is lost, and they are the undisturbed run."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_gans.core.interruption import SIGNALS

ROOT = Path(__file__).parents[2]
SMALL = ("logger=none", "trainer.threads=1", "callbacks.grids.rows=2", "callbacks.grids.columns=2")
RING = (
    *("variant=vanilla", "data=ring", "network.model.generator.width=16", "network.discriminator.width=16"),
    *("data.batch_size=32", "iterations=1200", "callbacks.evaluation.every=100", "callbacks.evaluation.samples=20000"),
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
    """How far the newest checkpoint is, by what the run says of itself."""
    file = run / "summary.json"
    return json.loads(file.read_text())["iterations"] if file.is_file() else 0


def signalled(start, run, *, signals, seconds, seed):
    """Start the run until it has been sent so many signals, one to three at a time, each 0 to 20 ms after the other.

    start: () -> a process with `pid`; `finish(process)` waits for it and returns its exit code.
    seconds: the latest moment after a start at which signals come.
    """
    begin, finish = start
    chance = random.Random(seed)
    sent, stops = 0, 0
    while sent < signals:
        before = iterations(run)
        process = begin()
        time.sleep(chance.uniform(0.1, 1) * seconds)
        for _ in range(chance.randint(1, 3)):
            try:
                os.kill(process.pid, chance.choice(SIGNALS))
            except ProcessLookupError:
                break
            sent += 1
            time.sleep(chance.uniform(0, 0.02))
        asked = time.monotonic()
        code = finish(process)
        assert time.monotonic() - asked < 30
        # 0: it was done before. A signal that comes before there is anything to save may end the process itself.
        assert code in (0, 130, *(-number for number in SIGNALS))
        assert iterations(run) >= before, "nothing is lost"
        stops += code == 130
    assert stops >= 5, "the signals found the run at work"
    return finish(begin())


@pytest.mark.slow
@pytest.mark.parametrize(("command", "seconds"), [(RING, 3.0), (DIGITS, 6.0)])
def test_twenty_signals(launcher, command, seconds):
    undisturbed, broken = launcher.folder / "undisturbed", launcher.folder / "broken"
    launcher.run(*command, *SMALL, f"run_dir={undisturbed}")

    def finish(process):
        process.join(120)
        return process.exitcode

    start = (lambda: launcher.start(*command, *SMALL, f"run_dir={broken}")), finish
    assert signalled(start, broken, signals=20, seconds=seconds, seed=len(command)) == 0
    same(broken, undisturbed)
    assert "Traceback" not in launcher.log.read_text()


@pytest.mark.slow
@pytest.mark.ddp
def test_twenty_signals_to_two_processes(tmp_path):
    command = [sys.executable, "-m", "experiments.train", *RING, *SMALL, "trainer=ddp", "trainer.devices=2"]
    log = (tmp_path / "log.txt").open("a")

    def begin(run):
        # Ctrl-C and a closed terminal reach both processes, `kill` the first alone: here the first
        return subprocess.Popen([*command, f"run_dir={run}"], cwd=ROOT, stdout=log, stderr=log)

    assert begin(tmp_path / "undisturbed").wait(300) == 0
    start = (lambda: begin(tmp_path / "broken")), (lambda process: process.wait(120))
    assert signalled(start, tmp_path / "broken", signals=20, seconds=25.0, seed=0) == 0
    same(tmp_path / "broken", tmp_path / "undisturbed")
