"""The page of a study from its runs, in a folder."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from lightning_gans.core.errors import UserError

# What a report raises on files that are not those of its study: a run's files are whatever its sender wrote.
UNFIT = (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, AssertionError)


def write(module: str, run_dirs: Sequence[Path], folder: Path) -> None:
    """Write the page that `module`.report makes of these runs.

    Raises:
        UserError: the runs are not the study's, or too short for it.
    """
    report = importlib.import_module(module).report
    try:
        report(run_dirs, folder)
    except UNFIT as error:
        raise UserError(
            "No page can be made of these runs: some are no runs of the study "
            f"{module.rpartition('.')[2]}, or too short for its figures ({type(error).__name__}: {error}). Name the "
            "runs that it made; HYDRA_FULL_ERROR=1 shows what was looked for."
        ) from error
