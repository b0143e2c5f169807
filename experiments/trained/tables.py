"""Comparison table for a terminal: as many columns as fit, and every figure with its error."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments.runs.report import figure, say
from experiments.trained.comparison import KINDS, Row, Stats
from experiments.trained.labels import fitted
from experiments.trained.sections import Section, all_finished, counted_runs, floor_text, is_whole, overview, rounded
from experiments.trained.status import FAILED, UNFINISHED
from lightning_gans.metrics.names import Better
from lightning_gans.reporting.terminal import rate

UNLIMITED = 10_000  # width in characters without a terminal
SHARE = 0.3  # of the width: names are not shortened below it while a column can be left out
LEAST = 8  # least width of a name
TITLE = 13  # width at which a metric's title is broken
SUFFIXES = tuple(f" ({kind})" for kind in KINDS)
MARKS = {"best": "*", "near": "~", "": ""}
STYLES = {**dict.fromkeys(FAILED, "red"), **dict.fromkeys(UNFINISHED, "yellow")}


@dataclass(frozen=True)
class Column:
    """A column besides the names; `hint` is its description if it is left out."""

    title: str
    cells: tuple[Text, ...]
    hint: str = ""
    left: bool = False


def show(found: Sequence[Section], console: Console) -> None:
    """Print the shared settings of all rows, then a table for each section.

    A narrow terminal shows fewer columns and lists the others below. Columns are dropped in this order: images/s and
    iterations, last values, metrics from the last one on. Then names are shortened in the middle.
    """
    plain = not console.encoding.startswith("utf")
    for line in overview(found):
        tell(console, line)
    hidden: list[str] = []
    for section in found:
        say(console)
        if section.title:
            tell(console, f"{section.title}{floor_text(section, _sign(plain))}")
        hidden += _show(section, console, plain=plain)
    say(console)
    if hidden:
        names = "; ".join(_summed_up(list(dict.fromkeys(hidden))))
        tell(console, f"Not shown for want of room: {names}. See --metric NAME, --markdown, --csv FILE, --json FILE.")
    for line in _legend(found, plain=plain):
        tell(console, line)


def tell(console: Console, line: str) -> None:
    """Print a line, wrapped between words at the console's width; paths stay whole, so that they can be copied."""
    if len(line) <= console.width:
        return say(console, line)
    width = max(console.width, 20)
    for part in textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False):
        say(console, part)


def _show(section: Section, console: Console, *, plain: bool) -> list[str]:
    """Print a table; return the hints of the columns left out."""
    columns = _columns(section, plain=plain)
    left_out: list[str] = []
    dots = "..." if plain else "…"
    floor = max(LEAST, round(SHARE * console.width))
    while True:
        bare = _table(("",) * len(section.rows), columns, section, plain=plain)
        room = console.width - console.measure(bare, options=console.options.update(width=UNLIMITED)).maximum
        room += len(_heading(section))
        optional = [column for column in _falling(columns, section) if column.hint]
        names = fitted(section.forms, max(room, LEAST), dots)
        if not optional or room >= floor or (room >= LEAST and names == list(section.forms[0])):
            break
        columns.remove(optional[0])
        left_out.append(optional[0].hint)
    console.print(_table(names, columns, section, plain=plain), crop=False)
    return left_out


def _summed_up(hidden: Sequence[str]) -> Iterator[str]:
    """Yield the hints of omitted columns; a metric is listed by name if both of its columns are omitted."""
    yield from (hint for hint in hidden if not hint.endswith(SUFFIXES))
    both = [hint.removesuffix(" (best)") for hint in hidden if hint.endswith(" (best)")]
    last = [name for hint in hidden if hint.endswith(" (last)") and (name := hint.removesuffix(" (last)")) not in both]
    if last:
        yield f"last value{'s' if len(last) > 1 else ''} of {', '.join(reversed(last))}"
    if both:
        yield ", ".join(reversed(both))


def _falling(columns: Sequence[Column], section: Section) -> Iterator[Column]:
    """Yield columns in the order of omission; the best values of the first metric always stay."""
    by_hint = {column.hint: column for column in columns}
    order = ["images/s", "iterations"]
    order += [f"{metric} (last)" for metric in reversed(section.metrics)]
    order += [f"{metric} (best)" for metric in reversed(section.metrics[1:])]
    yield from (by_hint[hint] for hint in [*order, "status"] if hint in by_hint)


def _columns(section: Section, *, plain: bool) -> list[Column]:
    rows = section.rows
    columns = []
    if not section.by_run:
        columns.append(Column("n", tuple(Text(counted_runs(row)) for row in rows)))
    if not all_finished(section):
        columns.append(Column("status", tuple(map(_status, rows)), "status", left=True))
    if not is_whole(section):
        columns.append(Column("iterations", tuple(Text(f"{row.iterations:,}") for row in rows), "iterations"))
    speeds = [row.images_per_second for row in rows]
    if any(speed is not None for speed in speeds):
        cells = tuple(Text("-" if speed is None else rate(speed)) for speed in speeds)
        columns.append(Column("images/s", cells, "images/s"))
    for metric in section.metrics:
        for kind in KINDS:
            title = _broken(f"{metric} {arrow(section.better(metric), plain=plain)}".strip())
            cells = tuple(_cell(section, row.stats(metric, kind), metric, kind, plain=plain) for row in rows)
            columns.append(Column(f"{title}\n{kind}", cells, f"{metric} ({kind})"))
    return columns


def _table(names: Sequence[str], columns: Sequence[Column], section: Section, *, plain: bool) -> Table:
    table = Table(
        box=box.ASCII if plain else box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
    )
    # Cells are Text, so that names from files are not parsed as markup.
    height = max((column.title.count("\n") for column in columns), default=0)
    table.add_column(Text(_lowered(_heading(section), height)), no_wrap=True)
    for column in columns:
        lines = [line for cell in (Text(column.title), *column.cells) for line in cell.plain.split("\n")]
        # Never narrower than its cells: a truncated figure would read as another figure.
        table.add_column(
            Text(_lowered(column.title, height)),
            justify="left" if column.left else "right",
            no_wrap=True,
            min_width=max(map(cell_len, lines)),
        )
    for index, name in enumerate(names):
        table.add_row(Text(name), *(column.cells[index] for column in columns))
    return table


def _lowered(title: str, height: int) -> str:
    """Align a title at the bottom of a heading with `height` more lines."""
    return "\n" * (height - title.count("\n")) + title


def _heading(section: Section) -> str:
    return "run" if section.by_run else "configuration"


def _status(row: Row) -> Text:
    return Text("\n").join(Text(part, STYLES.get(part.split()[-1], "")) for part in row.statuses)


def _broken(title: str) -> str:
    """Break the title of a metric into lines after underscores."""
    lines = [""]
    for word in re.split(r"(?<=_)", title):
        if lines[-1] and len(lines[-1]) + len(word) > TITLE:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)


def _cell(section: Section, stats: Stats | None, metric: str, kind: str, *, plain: bool) -> Text:
    """Format the median with its mark, above mean and deviation or the standard error; one line for single runs."""
    if stats is None:
        return Text("-")
    mark, sign = section.mark(stats, metric, kind), _sign(plain)
    style = "bold" if mark == "best" else ""
    if stats.std is None and stats.error is not None and section.one_line:
        value, error = rounded(stats.median, stats.error)
        return Text(f"{value}{MARKS[mark]} {sign} {error}", style)
    text = Text(f"{figure(stats.median)}{MARKS[mark]}", style)
    if stats.std is not None:
        mean, std = rounded(stats.mean, stats.std)
        return text.append(f"\n{mean} {sign} {std}", "not bold")
    return text if stats.error is None else text.append(f"\nSE {rounded(stats.median, stats.error)[1]}", "not bold")


def _sign(plain: bool) -> str:
    return "+-" if plain else "±"


def arrow(better: Better | None, *, plain: bool) -> str:
    low, high = ("(low)", "(high)") if plain else ("↓", "↑")
    return {None: "", "lower": low, "higher": high}[better]


def _legend(found: Sequence[Section], *, plain: bool) -> Iterator[str]:
    """Yield explanations of the figures and marks in the tables."""
    rows = [(section, row) for section in found for row in section.rows]
    cells = [
        (stats, section.mark(stats, metric, kind))
        for section, row in rows
        for metric in section.metrics
        for kind in KINDS
        if (stats := row.stats(metric, kind)) is not None
    ]
    if any("/" in counted_runs(row) for _, row in rows):
        yield "n: 1/2 is one run with figures of two."
    if any(stats.std is not None for stats, _ in cells):
        yield f"Median over n seeds; below it mean {_sign(plain)} standard deviation over the seeds."
    if any(stats.std is None and stats.error is not None for stats, _ in cells):
        one_line = {section.one_line for section in found}
        sign = "SE" if False in one_line else _sign(plain) if True in one_line else ""
        yield f"{sign} is the standard error of a single run's figure."
    if any(mark == "best" for _, mark in cells):
        yield "* best of the column."
    if any(mark == "near" for _, mark in cells):
        yield "~ differs from the best by less than two standard errors (over seeds, or of a single run's figure)."
