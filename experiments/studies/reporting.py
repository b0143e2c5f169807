"""Generation of a study's page from its runs."""

import importlib
from collections.abc import Sequence
from pathlib import Path

from lightning_gans.core.errors import UserError

# Exceptions of a report on files that do not belong to its study: a received run may contain anything.
UNFIT = (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError, AssertionError)


def write(module: str, run_dirs: Sequence[Path], folder: Path) -> None:
    """Write a study's page by `module`.report.

    Raises:
        UserError: the runs do not belong to the study, or are too short for it.
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
