"""CSV tables that grow row by row and survive a killed process."""

import csv
import io
import logging
import re
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically

LEADING = ("iteration", "images", "seconds")  # the first columns of every table

Value = float | int | str | None

log = logging.getLogger(__name__)

_NUMBER = re.compile(r"[0-9]{1,18}")


class CsvFile:
    """Append-only CSV file keyed by iteration: `iteration,images,seconds`, then names in the order of appearance.

    A new name widens the table: the file is rewritten atomically. Missing values are empty fields; floats have seven
    significant digits, as float32.

    Raises (from both methods):
        UserError: no space or no permission.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self._columns: list[str] | None = None  # None until the file has been read

    def resume(self, iteration: int) -> None:
        """Remove the rows after `iteration`, which a resumed run writes again, and an incomplete last row.

        A file that is not a table (its header is damaged) is renamed to NAME.damaged, with a warning.
        """
        columns, rows = self._read()
        kept = [row for row in rows if int(row["iteration"]) <= iteration]
        if kept:
            self._rewrite(columns, kept)
            return
        if iteration and not columns and self.path.is_file() and self.path.stat().st_size:
            aside = self.path.with_name(f"{self.path.name}.damaged")
            self.path.replace(aside)
            log.warning(
                "%s is damaged: its rows up to iteration %d are lost. It is kept as %s.", *(self.path, iteration, aside)
            )
        self._columns = []
        self.path.unlink(missing_ok=True)

    def rename(self, names: Mapping[str, str]) -> None:
        """Rename the columns of an earlier version: earlier -> current name.

        A column whose current name exists already is dropped.
        """
        columns, rows = self._read()
        renamed = {column: names.get(column, column) for column in columns}
        if renamed.keys() != set(renamed.values()):
            kept = [column for column in columns if column == renamed[column] or renamed[column] not in columns]
            self._rewrite(
                [renamed[column] for column in kept],
                [{renamed[column]: row[column] for column in kept} for row in rows],
            )

    def newest(self) -> int:
        """Return the last iteration that has a row; 0 if there is none."""
        _, rows = self._read()
        return max((int(row["iteration"]) for row in rows), default=0)

    def append(self, row: Mapping[str, Value]) -> None:
        """Add one row, which has an `iteration`."""
        if self._columns is None:
            self._columns, _ = self._read()
        text = {name: _text(value) for name, value in row.items()}
        if text.keys() - set(self._columns):
            columns, rows = self._read()
            columns = list(dict.fromkeys([*LEADING, *columns, *text]))
            self._rewrite(columns, [*rows, text])
            return
        try:
            with self.path.open("a", newline="") as file:
                if not file.tell():  # the file was removed or emptied
                    file.write(_lines(self._columns, [dict(zip(self._columns, self._columns, strict=True))]))
                file.write(_lines(self._columns, [text]))
        except OSError as error:
            raise UserError(
                f"Could not write {self.path}: {error.strerror or error}. Free some space or choose a folder you may "
                "write to."
            ) from error

    def _rewrite(self, columns: list[str], rows: Iterable[Mapping[str, str]]) -> None:
        write_atomically(self.path, _lines(columns, [dict(zip(columns, columns, strict=True)), *rows]))
        self._columns = columns

    def _read(self) -> tuple[list[str], list[dict[str, str]]]:
        """Return columns and complete rows of the file; none if there is no file, or it is no table."""
        try:
            whole, _, _torn = self.path.read_bytes().decode(errors="replace").rpartition("\n")
            header, *rows = list(csv.reader(io.StringIO(whole.replace("\0", "")))) or [[]]
        except (OSError, csv.Error):
            return [], []
        if "iteration" not in header:
            return [], []
        column = header.index("iteration")
        whole_rows = [row for row in rows if len(row) == len(header) and _NUMBER.fullmatch(row[column])]
        return header, [dict(zip(header, row, strict=True)) for row in whole_rows]


def _lines(columns: list[str], rows: Iterable[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return text.getvalue()


def _text(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:.7g}" if isinstance(value, float) else str(value)
