"""Statuses of runs: the one in summary.json, corrected by the lock on the run's directory. Imports nothing heavy."""

import fcntl
import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from experiments.runs.directory import LOCK

STATUSES = ("finished", "running", "stopped", "killed", "diverged", "crashed")
FINISHED, RUNNING, STOPPED, KILLED, DIVERGED, CRASHED = STATUSES
# Failed: something went wrong. The others that are not finished wait for the rest of their iterations.
FAILED: Final = (DIVERGED, CRASHED, KILLED)
UNFINISHED: Final = (RUNNING, STOPPED)


def status_of(run_dir: Path, written: str) -> str:
    """The status of a run whose summary.json says `written`.

    A process that is killed leaves "running" behind, and a run that goes on says "stopped" or "crashed" until its first
    iteration.
    The lock tells: the kernel lets go of it however the process dies.
    """
    if written not in (*UNFINISHED, CRASHED):
        return written
    going = is_held(run_dir / LOCK)
    if going is None:  # the file system has no locks
        return written
    return RUNNING if going else KILLED if written == RUNNING else written


def is_held(lock: Path) -> bool | None:
    """Return True if another process holds a record lock on `lock`; None if the file system cannot tell.

    Not for a process that trains: one that opens and closes the file of its own lock loses the lock.
    """
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        # A shared lock is tried, so that readers do not meet each other; closing the file lets go of it.
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def counted(statuses: Iterable[str]) -> list[str]:
    """The statuses of several runs: "finished" where all are, else "2 finished", "1 killed" in a fixed order."""
    counts = Counter(statuses)
    if len(counts) == 1:
        return list(counts)
    order = sorted(counts, key=lambda status: (STATUSES.index(status) if status in STATUSES else len(STATUSES), status))
    return [f"{counts[status]} {status}" for status in order]
