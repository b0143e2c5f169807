"""Unreadable user files: skipped with one warning that lists them, or refused."""

import warnings
from collections.abc import Iterable
from typing import Literal, NamedTuple

from datamodules import checks
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import printable

OnBadFile = Literal["skip", "error"]
NAMED = 5  # of the unreadable files, in a message


class Bad(NamedTuple):
    """An unreadable file, with the reason."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


class BadFiles(dict[str, str]):
    """Unreadable files of one data module: name -> reason.

    Args:
        on_bad_file: "skip" them with one warning that lists them, or refuse them with an "error".
        kind: noun for such a file: "image file", "sound file".
        fault: description of the common problem, shown before the individual reasons.
    """

    def __init__(self, on_bad_file: OnBadFile, *, kind: str, fault: str = "cannot be read") -> None:
        super().__init__()
        self.on_bad_file = checks.one_of("on_bad_file", on_bad_file, ("skip", "error"))
        self.kind, self.fault = kind, fault

    def report(self, bad: Iterable[Bad]) -> None:
        """Add files; warn at the first call with at least one file.

        Raises:
            UserError: there is at least one file, and on_bad_file is "error".
        """
        new = {name: reason for name, reason in bad if name not in self}
        if not new:
            return
        first = not self
        self |= new
        named = ", ".join(printable(f"{name} ({reason})", 300) for name, reason in list(new.items())[:NAMED])
        more = f" and {len(new) - NAMED} more" if len(new) > NAMED else ""
        text = f"{len(new)} {self.kind}{'s' * (len(new) > 1)} {self.fault}: {named}{more}."
        if self.on_bad_file == "error":
            raise UserError(f"{text} Mend or remove them, or say data.on_bad_file=skip to go on without them.")
        if first:
            warnings.warn(f"{text} Going on without; data.on_bad_file=error refuses them.", stacklevel=3)
