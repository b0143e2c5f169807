"""Curves of a run from losses.csv and metrics.csv, which may be damaged or untrusted. Standard library only."""

import csv
import math
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.trained.comparison import Run
from lightning_gans.core.received import printable
from lightning_gans.metrics.names import earlier, suffix_of
from lightning_gans.reporting.csv_files import LEADING

MOST_BYTES = 2**28  # of a table: about a million rows
MOST_PARSED = 8_000  # rows; of a longer table every k-th one is read
MOST_COLUMNS = 200
LONGEST = 80  # characters of a column's name

Column = list[float | None]


@dataclass(frozen=True)
class Curves:
    """Columns over common rows, in the order of the file; None in place of a number that is missing or not finite.

    Attributes:
        axes: iteration, images and seconds. Iterations rise strictly, the others never fall (None where they would).
        columns: every other column.
        rows: number of rows in the file.
        not_finite: names of columns with a NaN or an infinite number.
    """

    axes: Mapping[str, Column] = field(default_factory=lambda: {name: [] for name in LEADING})
    columns: Mapping[str, Column] = field(default_factory=dict)
    rows: int = 0
    not_finite: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.axes["iteration"])

    def thinned(self, most: int) -> "Curves":
        """Thin to at most `most` rows, including the first and last: of each stretch, its first row and its outlier."""
        if len(self) <= most:
            return self
        picked = sorted(set(_picked(list(self.columns.values()), len(self), most)))
        return Curves(
            {name: [values[i] for i in picked] for name, values in self.axes.items()},
            {name: [values[i] for i in picked] for name, values in self.columns.items()},
            self.rows,
            self.not_finite,
        )

    def renamed(self, names: Mapping[str, str]) -> "Curves":
        """Rename columns of an earlier version to their present names, unless the present name exists already."""
        kept = {names[name]: values for name, values in self.columns.items() if names.get(name, name) != name}
        others = {name: values for name, values in self.columns.items() if names.get(name, name) == name}
        return Curves(self.axes, {**kept, **others}, self.rows, self.not_finite)


def metrics_of(run: Run, most: int = MOST_PARSED) -> Curves:
    """Return the metrics of a run under their present names."""
    return read(run.path / "metrics.csv", most).renamed(earlier(suffix_of(run.protocol[1])))


def losses_of(run: Run, most: int = MOST_PARSED) -> Curves:
    """Return loss terms, gradient norms, learning rates and speed of a run."""
    return read(run.path / "losses.csv", most)


def read(path: Path, most: int = MOST_PARSED) -> Curves:
    """Read the curves of a table from about `most` of its rows; empty if there is no readable table."""
    try:
        lines = _lines(path)
        header = next(csv.reader(lines[:1]), [])
    except (OSError, ValueError, csv.Error):
        return Curves()
    names = [printable(name, LONGEST) for name in header[:MOST_COLUMNS]]
    if "iteration" not in names:
        return Curves()
    step = max(1, math.ceil((len(lines) - 1) / most))
    chosen = lines[1::step] if step == 1 or (len(lines) - 2) % step == 0 else [*lines[1::step], lines[-1]]
    by_iteration = {}
    for row in _rows(chosen, len(header)):
        values = dict(zip(names, row, strict=False))
        iteration = _number(values["iteration"])
        if iteration is not None and iteration >= 0:
            by_iteration[iteration] = values  # a resumed run may have written a row twice: the later one counts
    rows = [by_iteration[iteration] for iteration in sorted(by_iteration)]
    columns = {name: [_number(row[name]) for row in rows] for name in names if name and name not in LEADING}
    odd = tuple(name for name in columns if any(_is_not_finite(row[name]) for row in rows))
    kept = {name: values for name, values in columns.items() if any(value is not None for value in values)}
    axes = {name: _rising([_number(row.get(name, "")) for row in rows]) for name in LEADING}
    return Curves(axes, kept, len(lines) - 1, odd)


def players_of(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return each player's columns of loss and gradient norm.

    A player's gradient norm is recorded right after its loss: `<player>/loss`, or its only term under its own name.
    """
    found: dict[str, tuple[str, str]] = {}
    newest: dict[str, str] = {}
    for name in names:
        player, _, term = name.rpartition("/")
        if term == "gradient_norm" and player in newest:
            loss = f"{player}/loss"
            found[player] = loss if loss in names else newest[player], name
        newest[player] = name
    return found


def _lines(path: Path) -> list[str]:
    """Return the complete lines of a regular file, without a last row cut short by a kill."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a named pipe would wait for its other end
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    whole, _, _torn = content.decode(errors="replace").replace("\0", "").rpartition("\n")
    return [line.removesuffix("\r") for line in whole.split("\n")]


def _rows(lines: Sequence[str], width: int) -> Iterator[list[str]]:
    """Yield the rows with as many fields as the header."""
    for line in lines:
        try:
            row = next(csv.reader([line]), [])
        except csv.Error:  # a field of more than 131,072 characters
            continue
        if len(row) == width:
            yield row


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_not_finite(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False


def _rising(values: Column) -> Column:
    """Replace values below an earlier one by None, because an axis never falls."""
    top, kept = -math.inf, Column()
    for value in values:
        kept.append(value if value is not None and value >= top else None)
        top = max(top, -math.inf if value is None else value)
    return kept


def _picked(columns: Sequence[Column], rows: int, most: int) -> Iterator[int]:
    """Yield row indices that preserve the shape of the curves, including outliers."""
    stretches = max((most - 1) // 2, 1)
    spans = [_span(column) for column in columns]
    for k in range(stretches):
        start, end = k * rows // stretches, (k + 1) * rows // stretches
        yield start
        middles = [_middle(column[start:end]) for column in columns]

        def oddness(i: int, middles: Sequence[float] = middles) -> float:
            return max(
                (
                    abs(value - middle) / span
                    for column, middle, span in zip(columns, middles, spans, strict=True)
                    if (value := column[i]) is not None
                ),
                default=0.0,
            )

        yield max(range(start, end), key=oddness)
    yield rows - 1


def _span(column: Column) -> float:
    known = [value for value in column if value is not None]
    return (max(known) - min(known) or 1.0) if known else 1.0


def _middle(column: Column) -> float:
    known = sorted(value for value in column if value is not None)
    return known[len(known) // 2] if known else 0.0
