"""Requeue of a SLURM batch job after a pre-emption or a time limit.

SLURM sends the same signals for other reasons too, so the job's state is queried: `scancel` ends a job for good.
Imports no torch, so that a process that only waits for a run can use it.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping
from typing import Literal

Cause = Literal["pre-emption", "time limit"]

# Signals that SLURM sends before the time limit, requested by --signal=USR1@120.
WARNINGS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
# Ctrl-C, or a closed terminal.
BY_HAND = (signal.SIGINT, signal.SIGHUP)
SECONDS = 60  # time limit of a SLURM command


def in_batch_job(environ: Mapping[str, str] | None = None) -> bool:
    """Return True if this process belongs to a SLURM job that no other program requeues."""
    environ = os.environ if environ is None else environ
    return "SLURM_JOB_ID" in environ and "SUBMITIT_EXECUTOR" not in environ


def job_id(environ: Mapping[str, str] | None = None) -> str:
    """Return this job's id as SLURM's commands take it; in an array, the id of the task, not of the array."""
    environ = os.environ if environ is None else environ
    array, task = environ.get("SLURM_ARRAY_JOB_ID"), environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environ["SLURM_JOB_ID"]


def cause(received: Collection[int], job: Mapping[str, str]) -> Cause | None:
    """Return the reason to requeue a job that received these signals; None if the job should end.

    Args:
        job: fields of `scontrol show job` (SLURM 22.05 or newer).
    """
    if not received or any(number in received for number in BY_HAND):
        return None
    if job.get("BatchFlag", "1") == "0":
        return None  # salloc, or srun by itself
    state, preempted = job.get("JobState", ""), job.get("PreemptTime", "None") not in ("", "None", "Unknown")
    if job.get("Reason") == "TimeLimit" or state == "TIMEOUT":
        return "time limit"
    if state != "RUNNING":
        return None  # cancelled, or queued again by SLURM itself
    if preempted:
        return "pre-emption"
    return "time limit" if any(number in received for number in WARNINGS) else None


def shown(number: str) -> dict[str, str]:
    """Return the fields of `scontrol show job` by name; empty if the command fails."""
    try:
        asked = subprocess.run(
            ["scontrol", "--oneliner", "show", "job", number], capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(re.findall(r"(\w+)=(\S*)", asked.stdout.partition("\n")[0]))


def queue_again(received: Collection[int], *, advanced: bool) -> bool:
    """Requeue this batch job if a pre-emption or a time limit has stopped it; return True if it was requeued.

    SLURM then ends every process of the job, so everything has to be saved before.

    Args:
        received: signals that asked the run to stop.
        advanced: True if an iteration has run since the start. A time limit that is too short for a single iteration
            would stop every attempt.
    """
    if not in_batch_job():
        return False
    number = job_id()
    why = cause(received, shown(number))
    if why is None:
        return False
    if why == "time limit" and not advanced:
        print(
            f"warning: job {number} is not queued again: its time was over before an iteration had run. Give it more "
            "time (sbatch --time).",
            file=sys.stderr,
        )
        return False
    print(f"Stopped by a {why}: job {number} is queued again, and continues this run.", flush=True)
    try:
        asked = subprocess.run(["scontrol", "requeue", number], capture_output=True, text=True, timeout=SECONDS)
        refused = asked.stderr.strip() if asked.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        refused = str(error)
    if refused:
        print(f"warning: SLURM does not queue job {number} again: {refused}", file=sys.stderr)
    return not refused
