"""Exit codes (0, 2, 3, 130) and error messages of the commands: a paragraph for errors that a user can fix."""

import argparse
import errno
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable
from typing import NoReturn

from lightning_gans.core.errors import Diverged, UserError
from lightning_gans.core.received import printable

DONE, REFUSED, DIVERGED, INTERRUPTED = 0, 2, 3, 130
PIPE_CLOSED = 141  # exit code that a shell reports for SIGPIPE
LONGEST = 4000  # characters of an error, which may quote a file

_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


def run(main: Callable[[], int | None]) -> int:
    """Run `main` and return its exit code; print errors that a user can fix as a paragraph on stderr.

    With HYDRA_FULL_ERROR=1 any error shows its traceback instead, with the same exit code. All other exceptions pass
    through.
    """
    try:
        code = main() or DONE
        sys.stdout.flush()
        return code
    except UserError as error:
        report(error)
        return REFUSED
    except Diverged as error:
        report(error)
        return DIVERGED
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has closed the pipe (`| head`); prevent an error when Python flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        place = f"{error.filename}: " if error.filename else ""
        report(error, f"{place}{error.strerror}. Free some space or choose a folder you may write to.")
        return REFUSED


def report(error: BaseException, message: str | None = None) -> None:
    """Write an error to stderr: a paragraph as wide as the terminal, or one line without a terminal."""
    if full_errors():
        traceback.print_exception(error)
        return
    text = printable(" ".join(f"error: {message or error}".split()), LONGEST)
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width=width, break_long_words=False, break_on_hyphens=False)
    print(text, file=sys.stderr)


def tell(line: str = "") -> None:
    """Print a line that may contain text from a file, with control characters escaped."""
    print(printable(line))


def full_errors() -> bool:
    return os.environ.get("HYDRA_FULL_ERROR") == "1"


class Parser(argparse.ArgumentParser):
    """An argument parser that raises a UserError for invalid arguments."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message[:1].upper()}{message[1:]}. Try: python -m {self.prog} --help")
