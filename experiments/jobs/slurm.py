"""Sweeps on SLURM (hydra/launcher=slurm): resource requests of the jobs, and the queue."""

import getpass
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from experiments.jobs import requeue
from lightning_gans.core.errors import UserError

LOG = "slurm.log"  # the output of a job's first process, in its run's directory
WATCH = 10.0  # seconds between two queries of the queue
TIMES = ("timeout_min", "signal_delay_s")
FOLLOWS = {
    "nodes": "trainer.num_nodes",
    "tasks_per_node": "trainer.devices",
    "gpus_per_node": "trainer.devices",
}


def settings(
    configs: Sequence[Mapping[str, Any]], launcher: Mapping[str, Any], said: Collection[str]
) -> dict[str, int | str]:
    """Derive the launcher's settings from those of the trainer, for all jobs of a sweep.

    Args:
        configs: configurations of the jobs.
        launcher: composed settings of the launcher.
        said: names of the launcher's settings that the command line gives.

    Raises:
        UserError: the command line gives conflicting settings, the jobs differ in size, or SLURM is not installed.
    """
    if not installed():
        raise UserError(
            "hydra/launcher=slurm submits its jobs by sbatch, which is not on the PATH here. Run the command on a "
            "login node of the cluster, or say hydra/launcher=local for the GPUs or cores of this machine."
        )
    nodes, devices, accelerator, cpus = _size(configs)
    wanted: dict[str, int | str] = {"nodes": nodes, "tasks_per_node": devices}
    if not _given_gpus(launcher, said, devices) and _wants_gpus(accelerator, launcher):
        wanted["gpus_per_node"] = devices
    for name in FOLLOWS:
        value = launcher.get(name)
        if name in said and value != wanted.get(name):
            raise UserError(
                f"hydra.launcher.{name}={value} does not fit {FOLLOWS[name]}={nodes if name == 'nodes' else devices}"
                f"{_why_not(name, wanted, accelerator)}. Leave it out: it follows {FOLLOWS[name]}."
            )
    given = launcher.get("cpus_per_task")
    if "cpus_per_task" not in said:
        wanted["cpus_per_task"] = cpus
    elif given is not None and given < cpus:
        raise UserError(
            f"hydra.launcher.cpus_per_task={given} is too few for trainer.threads and data.workers of one process: "
            f"{cpus}. Say hydra.launcher.cpus_per_task={cpus} or more, or leave it out."
        )
    minutes, warning = (launcher.get(name) for name in TIMES)
    if minutes is not None and warning is not None and warning >= 60 * minutes:
        raise UserError(
            f"hydra.launcher.signal_delay_s={warning} is no less than hydra.launcher.timeout_min={minutes}, "
            f"{60 * minutes} s: every sitting would be warned as it starts. Say a longer time, or fewer seconds."
        )
    if "name" not in said:
        wanted["name"] = _name(configs)
    return wanted


def installed() -> bool:
    """Return True if jobs can be submitted from this machine."""
    return shutil.which("sbatch") is not None and shutil.which("srun") is not None


def _size(configs: Sequence[Mapping[str, Any]]) -> tuple[int, int, str, int]:
    """Return nodes, processes per node, kind of device and CPUs per process, which have to agree among the jobs."""
    sizes = []
    for config in configs:
        trainer = config["trainer"]
        devices = trainer["devices"]
        if isinstance(devices, str):
            raise UserError(
                "trainer.devices=auto is known on the node alone, and SLURM has to be asked for a number. Say "
                "trainer.devices=1 or more: the GPUs, or processes, of each node."
            )
        each = len(devices) if isinstance(devices, list) else int(devices)
        cpus = (trainer["threads"] or 1) + int(config["data"].get("workers") or 0)
        sizes.append((int(trainer["num_nodes"]), each, str(trainer["accelerator"]), cpus))
    if len({size[:3] for size in sizes}) > 1:
        one, other = list(dict.fromkeys(size[:3] for size in sizes))[:2]
        raise UserError(
            f"The jobs of this sweep are of different sizes ({_words(one)}; {_words(other)}), and the jobs of an array "
            "ask for the same. Give each size a command of its own."
        )
    return *sizes[0][:3], max(size[3] for size in sizes)


def _words(size: tuple[int, int, str]) -> str:
    return f"trainer.num_nodes={size[0]} trainer.devices={size[1]} trainer.accelerator={size[2]}"


def _wants_gpus(accelerator: str, launcher: Mapping[str, Any]) -> bool:
    """Return True if the jobs need GPUs; with trainer.accelerator=auto, if the partition has any."""
    if accelerator != "auto":
        return accelerator in ("gpu", "cuda")
    partition = launcher.get("partition")
    asked = _ask("sinfo", "--noheader", "--format=%P %G", *([f"--partition={partition}"] if partition else []))
    lines = [line for line in asked.splitlines() if partition or "*" in line.partition(" ")[0]]
    return any("gpu" in line.partition(" ")[2] for line in lines)


def _given_gpus(launcher: Mapping[str, Any], said: Collection[str], devices: int) -> bool:
    """Return True if the command line requests the GPUs by another setting, as many as the trainer wants."""
    gres = str(launcher.get("gres") or "")
    if "gres" in said and "gpu" in gres:
        number = re.search(r"gpu(?::[^:,]+)?:(\d+)", gres)
        if (int(number[1]) if number else 1) != devices:
            raise UserError(
                f"hydra.launcher.gres={gres} does not fit trainer.devices={devices}: every process has one GPU. Say "
                f"gpu:{devices} there, or another trainer.devices."
            )
        return True
    if "gpus_per_task" in said and launcher.get("gpus_per_task") is not None:
        if launcher["gpus_per_task"] != 1:
            raise UserError("Every process has one GPU: say hydra.launcher.gpus_per_task=1, or leave it out.")
        return True
    return False


def _why_not(name: str, wanted: Mapping[str, Any], accelerator: str) -> str:
    if name != "gpus_per_node" or name in wanted:
        return ""
    return f" with trainer.accelerator={accelerator}, which asks for no GPUs"


def _name(configs: Sequence[Mapping[str, Any]]) -> str:
    """Return the sweep's name in SLURM's queue, derived from the run directories."""
    folders = "\n".join(sorted(str(Path(config["run_dir"]).absolute()) for config in configs))
    return f"gans-{blake2b(folders.encode(), digest_size=4).hexdigest()}"


# The queue


def refuse_queued(name: str) -> None:
    """Refuse to submit a sweep whose jobs are in the queue already.

    Raises:
        UserError: such jobs exist; the message lists them.
    """
    if jobs := queued(name):
        raise UserError(
            f"Jobs of this sweep are in SLURM's queue already: {', '.join(jobs)}. Wait until they have ended (squeue "
            f"--name={name} shows them), or end them: scancel --name={name}"
        )


def queued(name: str) -> list[str]:
    """Return the ids of this user's pending, running and completing jobs of that name."""
    return _ask("squeue", "--noheader", "--format=%i", f"--user={getpass.getuser()}", f"--name={name}").split()


def wait(name: str) -> None:
    """Wait until no job of that name is in the queue."""
    while queued(name):
        time.sleep(WATCH)


def _ask(*command: str) -> str:
    """Return the output of a SLURM command; empty if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=requeue.SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


# In a job


def in_job() -> bool:
    """Return True if this process is a task of a job that submitit has submitted to SLURM."""
    return os.environ.get("SUBMITIT_EXECUTOR") == "slurm"


def hand_back(received: Collection[int]) -> None:
    """Let submitit requeue this job if a pre-emption or a time limit has stopped it.

    On the first task submitit then exits. The function returns on the other tasks, and if the job is not requeued.
    """
    if requeue.cause(received, requeue.shown(requeue.job_id())) is None:
        return
    for number in (signal.SIGUSR2, signal.SIGUSR1):
        handler = signal.getsignal(number)
        if callable(handler):
            try:
                handler(number, None)
            except Exception as error:  # too many time limits: submitit's own class of error
                print(error, flush=True)
            return
