"""Jobs of a real SLURM: whatever stops them, they end with the weights of an undisturbed run of as many processes."""

import json
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.slurm.conftest import RUN, script, slow, weights

pytestmark = pytest.mark.slurm

ON_SLURM = ("-m", "hydra/launcher=slurm")
OFTEN = "callbacks.checkpoint.every=5"
TRAIN = shlex.join([sys.executable, "-m", "experiments.train", *RUN, OFTEN])
TWO_BY_TWO = ("trainer.devices=2", "trainer.num_nodes=2")


def status(run):
    return json.loads((run / "summary.json").read_text())["status"]


def restarts(cluster, job):
    return int(cluster.job(job).get("Restarts", 0))


def processes(run):
    """The processes that train in a directory, each with a rank above 0 of its step first."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            environ = dict(line.partition(b"=")[::2] for line in (folder / "environ").read_bytes().split(b"\0"))
        except OSError:
            continue
        if b"experiments.train" in words and any(str(run).encode() in word for word in words) and b"-m" in words[:2]:
            found.append((int(environ.get(b"SLURM_PROCID", b"0")), int(folder.name)))
    return [pid for _, pid in sorted(found, reverse=True)]


def test_a_sweep_of_two_variants_and_two_seeds(train, undisturbed):
    """The same command submits what has not ended, and nothing else."""
    line = [word for word in RUN if not word.startswith("variant=")]
    sweep = (*ON_SLURM, *line, "variant=vanilla,wgan_gp", "seed=1,2", "run_dir=${names.variant}-${seed}")
    said = train(*sweep)
    assert "4 jobs for SLURM" in said
    for variant in ("vanilla", "wgan_gp"):
        for seed in (1, 2):
            run = train.folder / f"{variant}-{seed}"
            assert weights(run) == undisturbed(1, f"variant={variant}", f"seed={seed}")
            assert f"{run.name}: finished" in (run / "slurm.log").read_text()
    (train.folder / "vanilla-2" / "summary.json").unlink()
    (train.folder / "vanilla-2" / "generator" / "weights.safetensors").unlink()
    assert "1 job for SLURM; 3 have ended already" in train(*sweep)
    assert weights(train.folder / "vanilla-2") == undisturbed(1, "variant=vanilla", "seed=2")
    assert "0 jobs for SLURM; 4 have ended already" in train(*sweep)


def test_a_sweep_on_two_nodes_that_is_pre_empted(train, cluster, undisturbed):
    """By a job of a higher partition; submitit queues the jobs again."""
    run = train.folder / "run"
    waiting = train.start(*ON_SLURM, *RUN, *TWO_BY_TWO, OFTEN, slow(0.2), f"run_dir={run}")
    train.trains(run)
    assert "are in SLURM's queue already" in train(*ON_SLURM, *RUN, *TWO_BY_TWO, f"run_dir={run}", code=2)
    cluster.submit("--partition=high", "--nodes=2", "--exclusive", "--wrap=sleep 1", cwd=train.folder)
    said = train.ended(waiting)
    assert f"{run}: finished" in said
    assert "continued from" in (run / "slurm.log").read_text()
    assert weights(run) == undisturbed(4)


def test_a_killed_worker_ends_the_job_and_the_same_command_goes_on(train, undisturbed):
    run = train.folder / "run"
    line = (*ON_SLURM, *RUN, "trainer.devices=2", OFTEN, slow(0.2), f"run_dir={run}")
    waiting = train.start(*line)
    train.trains(run)
    os.kill(processes(run)[0], signal.SIGKILL)
    said = train.ended(waiting, code=None)
    assert waiting.returncode != 0
    assert f"{run}: finished" not in said
    assert "Traceback" not in said
    said = train(*line)
    assert "1 job for SLURM" in said
    assert weights(run) == undisturbed(2)


# Batch scripts, which the run itself queues again


def test_a_batch_script_on_two_nodes_that_is_pre_empted(train, cluster, undisturbed):
    settings = shlex.join(["trainer=ddp", *TWO_BY_TWO, slow(0.2), "run_dir=run"])
    lines = ("--nodes=2", "--ntasks-per-node=2", "--signal=USR1@60")
    job = cluster.submit(str(script(train.folder, *lines, command=f"srun {TRAIN} {settings}")), cwd=train.folder)
    train.trains(train.folder / "run")
    cluster.submit("--partition=high", "--nodes=2", "--exclusive", "--wrap=sleep 1", cwd=train.folder)
    assert cluster.ended(job, 150) == "COMPLETED", train.told()
    assert "Stopped by a pre-emption" in (train.folder / "job.log").read_text()
    assert restarts(cluster, job) == 1
    assert weights(train.folder / "run") == undisturbed(4)


def test_a_time_limit_with_two_requeues(train, cluster, undisturbed):
    """SLURM's warning comes 20 to 50 seconds after the start of each sitting."""
    settings = shlex.join([slow(1.0), "run_dir=run"])
    lines = ("--time=2", "--signal=USR1@70")
    job = cluster.submit(str(script(train.folder, *lines, command=f"srun {TRAIN} {settings}")), cwd=train.folder)
    cluster.until(lambda: restarts(cluster, job) == 2, 200, "there are no two requeues")
    train.trains(train.folder / "run")
    assert cluster.ended(job, 200) == "COMPLETED", train.told()
    assert (train.folder / "job.log").read_text().count("Stopped by a time limit") >= 2
    assert weights(train.folder / "run") == undisturbed(1)


def test_a_node_that_goes_down(train, cluster, undisturbed):
    """SLURM finds out after SlurmdTimeout and queues the job again, on the other node."""
    run = train.folder / "run"
    settings = shlex.join([slow(0.3), "run_dir=run"])
    command = script(train.folder, command=f"srun {TRAIN} {settings}")
    job = cluster.submit(str(command), cwd=train.folder)
    train.trains(run)
    node = cluster.job(job)["NodeList"]
    cluster.crash(node)
    try:
        cluster.until(lambda: "down" in str(cluster.nodes()), 100, "the node is not down")
        assert cluster.ended(job, 120) == "COMPLETED", train.told()
    finally:
        cluster.boot(node)
    assert status(run) == "finished"
    assert weights(run) == undisturbed(1)


def test_an_array_with_a_seed_for_each_task(train, cluster, undisturbed):
    command = f"srun {TRAIN} seed=$SLURM_ARRAY_TASK_ID run_dir=run-$SLURM_ARRAY_TASK_ID"
    job = cluster.submit(str(script(train.folder, "--array=1-2", command=command)), cwd=train.folder)
    for seed in (1, 2):
        assert cluster.ended(f"{job}_{seed}", 120) == "COMPLETED", train.told()
        assert weights(train.folder / f"run-{seed}") == undisturbed(1, f"seed={seed}")


@pytest.mark.parametrize("setting", ["trainer.requeue=true", "trainer.requeue=false"])
def test_what_ends_a_job_for_good(setting, train, cluster):
    """scancel with the usual setting, and a warning where the user wants no requeue: saved, and not queued again."""
    settings = shlex.join([slow(0.3), "run_dir=run", setting])
    job = cluster.submit(str(script(train.folder, command=f"srun {TRAIN} {settings}")), cwd=train.folder)
    train.trains(train.folder / "run")
    cluster.run("scancel", *(["--signal=USR1"] if setting.endswith("false") else []), job)
    assert cluster.ended(job, 60) in ("CANCELLED", "FAILED")
    assert status(train.folder / "run") == "stopped"
    assert restarts(cluster, job) == 0


def test_the_fixture_names_what_is_missing(monkeypatch):
    from tests.slurm import cluster

    monkeypatch.setattr(cluster.shutil, "which", lambda name: None if name == "slurmctld" else name)
    monkeypatch.setattr(cluster.os, "geteuid", lambda: 0)
    assert cluster.missing() == "slurmctld not found: apt-get install slurmctld slurmd slurm-client munge"
