"""A real SLURM for the tests of this folder, and runs to compare with those of its jobs."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, missing

RUN = (
    *("variant=vanilla", "data=ring", "network.model.generator.width=16", "network.discriminator.width=16"),
    *("data.batch_size=32", "metrics=none", "callbacks.grids.rows=2", "trainer.threads=1", "trainer.accelerator=cpu"),
    *("logger=none", "iterations=60"),
)


def slow(seconds):
    """A setting that makes every iteration last so many seconds longer."""
    return f"+callbacks.slow={{_target_: tests.slurm.slow.Slow, seconds: {seconds}}}"


def weights(run):
    return (run / "generator" / "weights.safetensors").read_bytes()


@pytest.fixture(scope="session")
def _cluster(tmp_path_factory):
    if reason := missing():
        pytest.skip(reason)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture
def cluster(_cluster):
    """Two idle nodes; whatever a test leaves in the queue is removed."""
    yield _cluster
    _cluster.run("scancel", "--user=root", check=False)
    _cluster.until(lambda: not _cluster.run("squeue", "--noheader").strip(), 60, "jobs are left")


class Train:
    """`experiments.train` on the login node of a cluster."""

    def __init__(self, cluster, folder):
        self.cluster, self.folder = cluster, folder
        self.started = []

    def start(self, *settings):
        process = subprocess.Popen(
            [sys.executable, "-m", "experiments.train", *settings],
            env=os.environ | self.cluster.environ,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def ended(self, process, *, code=0, seconds=240):
        """Output of a process at its end."""
        said, _ = process.communicate(timeout=seconds)
        assert code in (process.returncode, None), f"{said}\n{self.told()}"
        return said

    def __call__(self, *settings, code=0):
        return self.ended(self.start(*settings), code=code)

    def told(self):
        """The queue and all logs, for a failed test."""
        files = [path for path in self.folder.rglob("*") if path.suffix in (".log", ".out", ".err")]
        return "\n".join([self.cluster.told(), *(f"== {path}\n{path.read_text()[-3000:]}" for path in files)])

    def trains(self, run, seconds=90):
        """Wait until a run has written a checkpoint."""
        over = time.monotonic() + seconds
        while not (run / "checkpoints" / "last.ckpt").is_file():
            assert time.monotonic() < over, f"{run} does not train\n{self.told()}"
            time.sleep(0.2)


@pytest.fixture
def train(cluster, tmp_path):
    """The command, in a folder of the test's own: train(*settings) is its output."""
    made = Train(cluster, tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The weights of a run that nothing disturbs: undisturbed(processes, *settings), each made once."""
    folder = tmp_path_factory.mktemp("undisturbed")
    made: dict[tuple, bytes] = {}

    def of(processes, *settings):
        key = (processes, *settings)
        if key not in made:
            run = folder / str(len(made))
            several = ("trainer=ddp", f"trainer.devices={processes}") if processes > 1 else ()
            given = [setting.partition("=")[0] for setting in settings]
            usual = [setting for setting in RUN if setting.partition("=")[0] not in given]
            done = subprocess.run(
                [sys.executable, "-m", "experiments.train", *usual, *settings, *several, f"run_dir={run}"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=200,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            made[key] = weights(run)
        return made[key]

    return of


def script(folder: Path, *lines: str, command: str) -> Path:
    """A batch script with these #SBATCH lines."""
    path = folder / "job.sh"
    asked = [f"#SBATCH {line}" for line in ("--open-mode=append", "--output=job.log", *lines)]
    path.write_text("\n".join(["#!/bin/bash", *asked, command, ""]))
    return path
