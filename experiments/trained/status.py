"""Status of runs: the one in summary.json, corrected by the lock on the directory. Imports no heavy packages."""

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
# FAILED: runs that ended with an error. Other unfinished runs have iterations left.
FAILED: Final = (DIVERGED, CRASHED, KILLED)
UNFINISHED: Final = (RUNNING, STOPPED)


def status_of(run_dir: Path, written: str) -> str:
    """Return the status of a run whose summary.json contains `written`.

    A killed process leaves "running" behind, and a resumed run still has "stopped" or "crashed" until its first
    iteration. The lock resolves this, because the kernel releases it whenever the process ends.
    """
    if written not in (*UNFINISHED, CRASHED):
        return written
    going = is_held(run_dir / LOCK)
    if going is None:  # the file system has no locks
        return written
    return RUNNING if going else KILLED if written == RUNNING else written


def is_held(lock: Path) -> bool | None:
    """Return True if another process holds a record lock on `lock`; None if the file system does not support locks.

    Must not be called by the training process itself: closing the file releases the process's own lock.
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
        # Try a shared lock, so that readers do not block each other; closing the file releases it.
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def counted(statuses: Iterable[str]) -> list[str]:
    """Summarise the statuses of runs: "finished" if all are, else "2 finished", "1 killed" in a fixed order."""
    counts = Counter(statuses)
    if len(counts) == 1:
        return list(counts)
    order = sorted(counts, key=lambda status: (STATUSES.index(status) if status in STATUSES else len(STATUSES), status))
    return [f"{counts[status]} {status}" for status in order]
