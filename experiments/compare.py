"""`python -m experiments.compare runs/`: one table of runs, seeds aggregated. Imports no torch."""

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments import cli
from experiments.runs.report import figure, say
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained.comparison import (
    KINDS,
    Row,
    Stats,
    best_of,
    direction,
    find,
    group,
    metrics_of,
    single,
)
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.metrics.names import EXTRACTORS, METRICS, Better
from lightning_gans.reporting.terminal import rate

UNLIMITED = 10_000  # characters, where no terminal sets a width
HELD = "running (or killed)"


def main(argv: Sequence[str], console: Console | None = None) -> int:
    """Print the table, write what was asked for; the exit code.

    Raises:
        UserError: a folder is not there, there is no run, or no run has the metric.
    """
    arguments = _parser().parse_args(list(argv))
    found, odd = find(arguments.folders)
    if not found:
        seen = "".join(f" {path} {why}." for path, why in odd[:3])
        places = ", ".join(map(str, arguments.folders))
        raise UserError(f"There is no run to compare in {places}.{seen} Train one: python -m experiments.train")
    rows = single(found) if arguments.runs else group(found)
    rows = _sorted(rows)
    metrics = _chosen(arguments.metric, metrics_of(rows))
    if arguments.csv:
        write_atomically(arguments.csv, as_csv(rows, metrics))
    if arguments.json:
        odd_ones = [{"path": str(path), "what": why} for path, why in odd]
        text = json.dumps({"rows": [as_dict(row, metrics) for row in rows], "left_out": odd_ones}, indent=2)
        write_atomically(arguments.json, text + "\n")
    if arguments.html:
        from experiments.report.page import left_out, page  # Jinja2, which the table does without

        write_atomically(arguments.html, page(found, left_out=left_out(odd)))
    if console is None:
        console = Console() if sys.stdout.isatty() else Console(width=UNLIMITED)
    show(rows, metrics, console)
    for line in _notes(rows, odd):
        say(console, line)
    return cli.DONE


def _parser() -> cli.Parser:
    parser = cli.Parser(
        prog="experiments.compare",
        description="One table of runs: a row a configuration, its seeds aggregated (median, mean and sample standard "
        "deviation). * marks the best median of a column among runs whose figures are of the same kind, ~ those that "
        "differ from it by less than two standard errors.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "folders", nargs="*", type=Path, default=[Path("runs")], metavar="DIR", help="runs, or folders of runs (runs/)"
    )
    parser.add_argument("--metric", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--runs", action="store_true", help="a row a run")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the rows as CSV")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with curves and samples, in one file")
    return parser


def _chosen(asked: Sequence[str], found: Sequence[str]) -> list[str]:
    names = [name for text in asked for name in text.split(",") if name]
    for name in names:
        if name not in found:
            known = [*found, *METRICS]
            hint = did_you_mean(nearest(name, known)) if name not in METRICS else ""
            there = f"They have {', '.join(found)}." if found else "None has been evaluated yet."
            raise UserError(f"--metric {name}: no run here has measured it.{hint} {there}")
    return names or list(found)


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """By what can be compared, then from the best on, then by name."""
    headline = metrics_of(rows)[:1]

    def key(row: Row) -> tuple[Any, ...]:
        stats = row.stats(headline[0], "best") if headline else None
        sign = 1 if headline and direction(rows, headline[0]) == "lower" else -1
        data, extractor, *_ = row.protocol
        return (data, not extractor, row.protocol, stats is None, sign * stats.median if stats else 0, row.label)

    return sorted(rows, key=key)


# The table


def show(rows: Sequence[Row], metrics: Sequence[str], console: Console) -> None:
    """Print the table with as many metrics as the terminal is wide; the others are named below."""
    shown = list(metrics)
    while True:
        table = _table(rows, shown, arrows=console.encoding.startswith("utf"))
        if len(shown) <= 1 or console.measure(table, options=console.options.update(width=UNLIMITED)).maximum <= (
            console.width
        ):
            break
        shown.pop()
    console.print(table, crop=False, soft_wrap=len(shown) <= 1)
    hidden = metrics[len(shown) :]
    if hidden:
        say(console, f"Not shown for want of room: {', '.join(hidden)}. See --metric NAME, --csv FILE, --json FILE.")
    for line in _facts(rows):
        say(console, line)


def _table(rows: Sequence[Row], metrics: Sequence[str], *, arrows: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD if arrows else box.ASCII, padding=(0, 1), show_edge=False)
    many = any(len(row.runs) > 1 for row in rows)
    # Cells and titles are read as markup, which names from files are not.
    table.add_column("configuration" if many else "run", no_wrap=True, vertical="middle")
    for title in ("n", "status", "iterations", "images/s"):
        table.add_column(title, justify="left" if title == "status" else "right", no_wrap=True, vertical="middle")
    for metric in metrics:
        for kind in KINDS:
            title = f"{_broken(metric)} {_arrow(direction(rows, metric), arrows)}".strip()
            table.add_column(f"{escape(title)}\n{kind}", justify="right", no_wrap=True, vertical="bottom")
    for index, row in enumerate(rows):
        peers = [other for other in rows if other.protocol == row.protocol]
        cells = [_cell(row, metric, kind, peers, arrows) for metric in metrics for kind in KINDS]
        speed = "" if row.images_per_second is None else rate(row.images_per_second)
        ends = index + 1 < len(rows) and rows[index + 1].protocol != row.protocol
        table.add_row(
            escape(row.label),
            str(len(row.runs)),
            escape(row.status),
            f"{row.iterations:,.0f}",
            speed,
            *cells,
            end_section=ends,
        )
    return table


def _broken(metric: str) -> str:
    """The name of a metric with its extractor in a line of its own."""
    word = next((word for word in EXTRACTORS if metric.endswith(f"_{word}")), None)
    return metric if word is None else f"{metric.removesuffix(word)}\n{word}"


def _cell(row: Row, metric: str, kind: str, peers: Sequence[Row], arrows: bool) -> str:
    stats = row.stats(metric, kind)
    if stats is None:
        return "-"
    best, text = best_of(peers, metric, kind), figure(stats.median)
    if best is not None and best.median == stats.median:
        text = f"[bold]{text}*[/bold]"
    elif best is not None and stats.near(best):
        text = f"{text}~"
    return text if stats.std is None else f"{text}\n{_spread(stats, arrows)}"


def _spread(stats: Stats, arrows: bool) -> str:
    return f"{figure(stats.mean)} {'±' if arrows else '+-'} {stats.std:.2g}"


def _arrow(better: Better | None, arrows: bool) -> str:
    low, high = ("↓", "↑") if arrows else ("(low)", "(high)")
    return {None: "", "lower": low, "higher": high}[better]


def _facts(rows: Sequence[Row]) -> Iterator[str]:
    """What the figures are of."""
    if any(len(row.runs) > 1 for row in rows):
        yield "Median over n seeds, and below it mean and standard deviation. * is the best of its kind."
    yield "~ differs from the best by less than two standard errors (over seeds, or of the samples of one run)."
    for protocol in dict.fromkeys(row.protocol for row in rows):
        data, extractor, samples, reference = protocol
        if extractor:
            of_protocol = [row for row in rows if row.protocol == protocol]
            real = _floor(of_protocol)
            yield f"{data}: {extractor}, {samples} samples against {reference}{real}"


def _floor(rows: Sequence[Row]) -> str:
    """The floor of the first metric of these rows that has one, in words."""
    for metric in metrics_of(rows):
        for value, deviation in (run.floor(metric) for row in rows for run in row.runs):
            if value is not None:
                spread = f" +- {deviation:.2g}" if deviation is not None else ""
                return f"; held-out real data score {metric} {figure(value)}{spread}"
    return ""


def _notes(rows: Sequence[Row], odd: Sequence[tuple[Path, str]]) -> Iterator[str]:
    for row in rows:
        for run in row.runs:
            if run.status != "finished":
                status = HELD if run.status == "running" else run.status
                yield f"{run.path}: {status} at iteration {run.summary.iterations:,}"
        repeated = [seed for seed, count in Counter(str(run.seed) for run in row.runs).items() if count > 1]
        if repeated:
            yield f"{row.label}: seed {', '.join(repeated)} is there more than once, and counts each time"
    for path, why in odd:
        yield f"{path} {why}; left out"


# Files


def as_dict(row: Row, metrics: Sequence[str]) -> dict[str, Any]:
    """A row for JSON."""
    scores = {
        metric: {
            "direction": {None: None, "lower": "min", "higher": "max"}[direction([row], metric)],
            **{kind: vars(stats) if (stats := row.stats(metric, kind)) else None for kind in KINDS},
        }
        for metric in metrics
    }
    data, extractor, samples, reference = row.protocol
    return {
        "configuration": row.label,
        "data": data,
        "n": len(row.runs),
        "seeds": [run.seed for run in row.runs],
        "runs": [str(run.path) for run in row.runs],
        "status": row.status,
        "iterations": row.iterations,
        "images_per_second": row.images_per_second,
        "evaluation": {"extractor": extractor, "samples": samples, "reference": reference},
        "metrics": scores,
    }


def as_csv(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """Rows as CSV: for each metric the median, mean, std and n of best and last."""
    fields = ("median", "mean", "std", "n")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [(metric, kind, field) for metric in metrics for kind in KINDS for field in fields]
    head = ["configuration", "data", "n", "seeds", "status", "iterations", "images_per_second"]
    writer.writerow([*head, *("_".join(column) for column in columns)])
    for row in rows:
        seeds = " ".join(str(run.seed) for run in row.runs)
        known = [row.label, row.protocol[0], len(row.runs), seeds, row.status, row.iterations, row.images_per_second]
        figures = [getattr(row.stats(metric, kind), field, None) for metric, kind, field in columns]
        writer.writerow(["" if value is None else value for value in [*known, *figures]])
    return text.getvalue()


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
