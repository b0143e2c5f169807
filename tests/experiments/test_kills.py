"""Runs that are killed, or whose checkpoints are damaged, end with the files of an undisturbed run."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from experiments.runs.directory import read_summary
from tests.experiments.conftest import Launcher
from tests.helpers.damage import DAMAGES
from tests.helpers.same import assert_same_run

pytestmark = pytest.mark.slow

EVERY = (
    "callbacks.checkpoint.every=10",
    "callbacks.checkpoint.minutes=1000",  # none by the clock: kills come at the same places
    "callbacks.evaluation.every=40",
    "callbacks.evaluation.samples=64",
    "callbacks.grids.every=100",
    "callbacks.grids.rows=2",
    "callbacks.grids.columns=2",
    "logger=none",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
)
GAMES = {
    "dcgan": (
        *("variant=dcgan", "data=digits", "data.image_size=8", "data.batch_size=16", "iterations=800"),
        *("network.model.generator.width=4", "network.discriminator.width=4", "metrics=classifier"),
    ),
    "cyclegan": (
        *("variant=cyclegan", "data=digits_unpaired", "data.image_size=8", "data.batch_size=2", "iterations=600"),
        *("network.translator.width=4", "network.translator.blocks=1", "variant.pool_size=10", "metrics=none"),
        *("network.discriminator.width=4", "network.discriminator.layers=1"),
    ),
    "energy": (
        *("variant=energy", "data=ring", "data.batch_size=16", "iterations=800", "network.discriminator.width=16"),
        *("variant.steps=5", "variant.buffer=200", "variant.model.steps=20"),
    ),
}
KILLS = 20
APART = 2  # of them, of the command itself; the others are of processes that find torch imported


def written(run):
    """Time at which the newest checkpoint was written; None before the first."""
    try:
        return (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    except FileNotFoundError:
        return None


def kill(process, alive, run, chance, seconds):
    """At a random moment of starting, or of the iterations after a checkpoint, whose writing may still go on.

    seconds: what the whole run takes; a twentieth of it is done before the kill at most, and a checkpoint.
    """
    before = written(run)
    if before is not None and chance.random() < 0.25:
        time.sleep(chance.uniform(0, 2))
    else:
        while written(run) == before:
            assert alive(), "it has to write a checkpoint"
            time.sleep(0.001)
        time.sleep(chance.choice([chance.uniform(0, 0.02), chance.uniform(0, seconds / KILLS / 3)]))
    assert alive(), "it ended before it was killed"
    os.kill(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("game", GAMES)
def test_twenty_kills(launcher, game):
    command = (*GAMES[game], *EVERY)
    straight, broken = launcher.folder / "straight", launcher.folder / "broken"
    launcher.run(*command, f"run_dir={straight}", seconds=600)
    seconds = read_summary(straight).seconds
    chance = random.Random(game)
    for number in range(KILLS):
        if number < KILLS - APART:
            process = launcher.start(*command, f"run_dir={broken}")
            kill(process, process.is_alive, broken, chance, seconds)
            process.join()
            assert process.exitcode == -signal.SIGKILL
        else:
            line = [sys.executable, "-m", "experiments.train", *command, f"run_dir={broken}"]
            child = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            kill(child, lambda child=child: child.poll() is None, broken, chance, seconds)
            assert child.wait() == -signal.SIGKILL
    said = launcher.run(*command, f"run_dir={broken}", seconds=600)
    assert "continued from" in said
    assert_same_run(broken, straight)


# Damage

RUN = (
    *("variant=vanilla", "data=ring", "network.model.generator.width=16", "network.discriminator.width=16"),
    *("data.batch_size=32", *EVERY, "iterations=120", "seed=1"),
)
KINDS = [(damage, of) for damage in DAMAGES for of in ("last", "both")]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    Launcher(folder).run(*RUN, f"run_dir={folder / 'run'}")
    return folder / "run"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("damage, of", KINDS)
def test_thirty_damages(launcher, straight, damage, of, seed):
    run = launcher.folder / "run"
    shutil.copytree(straight, run)
    summary = run / "summary.json"  # as if it had been killed after its last checkpoint
    summary.write_text(summary.read_text().replace('"finished"', '"running"'))
    chance = random.Random(f"{damage} {of} {seed}")
    for name in ("last.ckpt", "best.ckpt")[: 1 if of == "last" else 2]:
        DAMAGES[damage](run / "checkpoints" / name, chance)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    if of == "last":
        said = launcher.run(*RUN, f"run_dir={run}")
        assert "iterations are lost and done again" in said
        assert_same_run(run, straight)
    else:
        said = launcher.run(*RUN, f"run_dir={run}", code=2)
        assert "without an intact checkpoint" in said
        assert len(said.strip().splitlines()) == 1
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
