"""Signals that ask a run to stop. Imports no torch, so that a parent process can forward them cheaply."""

import signal
from types import FrameType

# Ctrl-C; `kill`, schedulers and hosts that shut down; a terminal that went away; submitit's and SLURM's warnings
# before a pre-emption or a time limit; a processor-time limit.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)

# Those that came before a run listens.
early: list[int] = []


def keep_early() -> None:
    """Keep requests to stop for the run that will listen, in the place of ending the process.

    For batch jobs: libraries take seconds to import, and a job that a signal ends there is not queued again.
    """
    for number in SIGNALS:
        if number not in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _keep)


def _keep(number: int, frame: FrameType | None) -> None:
    if number not in early:
        early.append(number)
