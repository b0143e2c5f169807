"""Signals that ask a run to stop. Imports no torch, so that a parent process can forward them cheaply."""

import signal
from types import FrameType

# Ctrl-C; `kill`, schedulers and hosts that shut down; a terminal that went away; submitit's and SLURM's warnings
# before a pre-emption or a time limit; a processor-time limit.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)

# Those that schedulers send, not a person at the terminal or a terminal that went away.
OF_SCHEDULERS = tuple(number for number in SIGNALS if number not in (signal.SIGINT, signal.SIGHUP))

# Those that came before a run listens.
early: list[int] = []


def keep_early() -> None:
    """Keep requests to stop for the run that will listen, in the place of ending the process.

    For batch jobs: libraries take seconds to import, and a job that a signal ends there is not queued again.
    """
    for number in OF_SCHEDULERS:
        signal.signal(number, _keep)


def ignore_late() -> None:
    """Ignore requests to stop from here to the end of the process, since nothing is left to stop.

    For batch jobs: Python restores the default handlers on its way out, and a warning of the time limit would make a
    failed job of a finished run.
    """
    for number in OF_SCHEDULERS:
        signal.signal(number, signal.SIG_IGN)


def _keep(number: int, frame: FrameType | None) -> None:
    if number not in early:
        early.append(number)
