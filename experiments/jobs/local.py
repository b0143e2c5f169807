"""Sweeps on one machine (hydra/launcher=local): each job gets one GPU, or an equal share of the CPU cores."""

import os
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import Held, held

DEVICES = "LIGHTNING_GANS_SWEEP_GPUS"  # indices of the GPUs for the jobs; empty: the jobs share the cores
THREADS = "LIGHTNING_GANS_SWEEP_THREADS"  # threads of a job that shares the cores
WAIT = 0.5  # seconds between two attempts to find a free GPU


def settings(
    configs: Sequence[Mapping[str, Any]], launcher: Mapping[str, Any], said: Collection[str]
) -> tuple[dict[str, int], dict[str, str]]:
    """Return the launcher's settings that follow from the machine, and environment variables for the jobs.

    Args:
        configs: configurations of the jobs.
        launcher: composed settings of the launcher.
        said: names of the launcher's settings that the command line gives.

    Raises:
        UserError: a job wants several devices, or more jobs are requested than there are GPUs.
    """
    trainers = [config["trainer"] for config in configs]
    for trainer in trainers:
        devices = trainer["devices"]
        if devices != 1 or trainer["num_nodes"] != 1:
            raise UserError(
                f"hydra/launcher=local gives each job one GPU, or its share of the cores, and trainer.devices="
                f"{devices} x trainer.num_nodes={trainer['num_nodes']} is more. Leave the launcher out, so that "
                "the jobs follow one another on all devices, or say trainer.devices=1."
            )
    there = gpus() if any(trainer["accelerator"] != "cpu" for trainer in trainers) else []
    threads = max(trainer["threads"] or 1 for trainer in trainers)
    most = len(there) or max(1, _cores() // threads)
    wanted = launcher.get("n_jobs") if "n_jobs" in said else most
    if not isinstance(wanted, int) or wanted < 1 or (there and wanted > most):
        what = "GPUs" if there else "cores"
        raise UserError(
            f"hydra.launcher.n_jobs={wanted} does not fit the {len(there) or _cores()} {what} of this machine. Say "
            f"1 to {most}, or leave it out."
        )
    share = max(1, _cores() // wanted)
    return {"n_jobs": wanted}, {DEVICES: ",".join(there), THREADS: str(share)}


def gpus() -> list[str]:
    """Return the indices of the GPUs visible to this process, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [number.strip() for number in visible.split(",") if number.strip() not in ("", "-1", "NoDevFiles")]
    try:
        asked = subprocess.run(
            ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return asked.stdout.split() if asked.returncode == 0 else []


@contextmanager
def device() -> Iterator[dict[str, str]]:
    """Yield environment variables for a job: a GPU that no other sweep job of this user uses, or cores."""
    numbers = [number for number in os.environ.get(DEVICES, "").split(",") if number]
    with ExitStack() as stack:
        if numbers:
            yield {"CUDA_VISIBLE_DEVICES": _free(stack, numbers)}
        else:
            yield {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS") or os.environ.get(THREADS, "1")}


def _free(stack: ExitStack, numbers: Sequence[str]) -> str:
    """Wait for a free GPU and lock it as long as `stack` is open; return its index."""
    folder = Path(tempfile.gettempdir()) / f"lightning-gans-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        for number in numbers:
            try:
                stack.enter_context(held(folder / f"{number}.lock", f"process {os.getpid()}"))
            except Held:
                continue
            return number
        time.sleep(WAIT)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
