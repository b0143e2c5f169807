"""`python -m experiments.train`: check everything, then train. See `--help`."""

import os
import sys
from pathlib import Path

from experiments import cli
from experiments.preflight import Job, preflight


def main(argv: list[str]) -> int:
    """Run every job of the command line, one after the other; the worst exit code of all."""
    worst = 0
    for job in preflight(argv):
        code = train(job)
        worst = max(worst, code)
        if code == 130:
            break
    return worst


def train(job: Job) -> int:
    raise NotImplementedError


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
