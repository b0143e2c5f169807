"""Lock on a run's directory: one process trains there at a time, and a refused process leaves no files."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from experiments.runs import directory as runs
from experiments.runs.resume import has_begun
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import Held, held, make_folder, remove_temporaries

ATTEMPTS = 3


@contextmanager
def in_use(run_dir: Path, hint: str = "") -> Iterator[None]:
    """Create and lock `run_dir` until the block ends or the process dies.

    Temporary files of killed processes are removed. If no iteration has run when the block ends, the directory is freed
    for another command: it is removed if it was created here, otherwise only the files that describe the run are.

    Args:
        hint: last sentence of the message to a refused process.

    Raises:
        UserError: another process trains there; the message gives its host and process id.
    """
    with ExitStack() as stack:
        made = _missing(run_dir)
        stack.callback(_remove_empty, made)
        if _lock(stack, run_dir, hint):
            for folder in (run_dir, *(run_dir / name for name in runs.WRITTEN)):
                remove_temporaries(folder)
        else:
            print(
                f"warning: the file system of {run_dir} has no locks. Make sure that no other process trains there.",
                file=sys.stderr,
            )
        stack.callback(_free, run_dir, whole=bool(made), kept=set(os.listdir(run_dir)))
        yield


def _lock(stack: ExitStack, run_dir: Path, hint: str) -> bool:
    """Hold the lock as long as `stack` is open; return False if the file system does not support locks."""
    for _ in range(ATTEMPTS):
        try:
            make_folder(run_dir)
            return stack.enter_context(held(run_dir / runs.LOCK, _who()))
        except Held as error:
            by = f" by {error.holder}" if error.holder else ""
            raise UserError(
                f"{run_dir} is being trained{by}. Wait until that run ends, stop it, or choose another run_dir=.{hint}"
            ) from error
        except FileNotFoundError:
            continue  # another refused process has removed the folder that it had created
        except OSError as error:
            reason = f"{error.filename or run_dir}: {error.strerror or error}"
            raise UserError(f"run_dir={run_dir} cannot be written. {reason}. Choose another run_dir=.") from error
    raise UserError(f"run_dir={run_dir} is removed by another process again and again. Choose another run_dir=.")


def _missing(run_dir: Path) -> list[Path]:
    """Return the folders up to and including `run_dir` that do not exist yet, the innermost first."""
    return list(takewhile(lambda folder: not folder.exists(), (run_dir, *run_dir.parents)))


def _free(run_dir: Path, *, whole: bool, kept: set[str]) -> None:
    """If no iteration has run, remove the content (`whole`) or the files that describe the run, except `kept`."""
    if has_begun(run_dir) or not run_dir.is_dir():
        return
    for name in set(os.listdir(run_dir) if whole else runs.OF_A_RUN) - kept:
        path = run_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # not empty, or gone
            folder.rmdir()


def _who() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
