"""Signals that ask a run to stop. Imports no torch, so that a parent process can forward them cheaply."""

import signal

# Ctrl-C; `kill`, schedulers and hosts that shut down; a terminal that went away; submitit's and SLURM's warnings
# before a pre-emption or a time limit; a processor-time limit.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU)
