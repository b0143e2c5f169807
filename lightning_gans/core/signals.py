"""Signals that ask a run to stop. Imports no torch, so that a parent process can forward them cheaply."""

import signal
from types import FrameType

# Ctrl-C; `kill`, schedulers and hosts that shut down; a closed terminal; warnings of submitit and SLURM before a
# pre-emption or a time limit; a CPU-time limit.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)

# Signals of schedulers, as opposed to those of a person at the terminal or of a closed terminal.
OF_SCHEDULERS = tuple(number for number in SIGNALS if number not in (signal.SIGINT, signal.SIGHUP))

# Signals received before a run listens.
early: list[int] = []


def keep_early() -> None:
    """Store stop requests for the run that will listen, instead of ending the process.

    For batch jobs: imports take seconds, and a job that a signal ends during them is not requeued.
    """
    for number in OF_SCHEDULERS:
        signal.signal(number, _keep)


def ignore_late() -> None:
    """Ignore stop requests until the process ends, since nothing is left to stop.

    For batch jobs: Python restores the default handlers on exit, and a warning of the time limit would then mark a
    finished run as failed.
    """
    for number in OF_SCHEDULERS:
        signal.signal(number, signal.SIG_IGN)


def _keep(number: int, frame: FrameType | None) -> None:
    if number not in early:
        early.append(number)
