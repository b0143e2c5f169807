"""Compare runs in a table, aggregated over seeds.

Imports no torch.
"""

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments import cli
from experiments.settings.suggest import did_you_mean, nearest
from experiments.trained import markup
from experiments.trained.comparison import KINDS, Average, Row, direction, find, group, metrics_of, single
from experiments.trained.sections import Section, sections
from experiments.trained.status import FAILED, FINISHED
from experiments.trained.tables import UNLIMITED, show, tell
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.metrics.names import METRICS

NAMED = 20  # runs of each kind listed below the table


def main(argv: Sequence[str], console: Console | None = None) -> int:
    """Print the table and write the requested files; return the exit code.

    Raises:
        UserError: a folder does not exist, there is no run, or no run has the metric.
    """
    arguments = _parser().parse_args(list(argv))
    found, odd = find(arguments.folders)
    if not found:
        seen = "".join(f" {path} {why}." for path, why in odd[:3])
        places = ", ".join(map(str, arguments.folders))
        raise UserError(f"There is no run to compare in {places}.{seen} Train one: python -m experiments.train")
    rows = single(found) if arguments.runs else group(found)
    metrics = _chosen(arguments.metric, metrics_of(rows))
    markup_of = markup.markdown if arguments.markdown else markup.latex if arguments.latex else None
    average: Average = "mean" if markup_of else "median"  # the average that is shown
    parts = sections(rows, metrics, asked=bool(arguments.metric), by_run=arguments.runs, average=average)
    rows = [row for part in parts for row in part.rows]
    if arguments.csv:
        write_atomically(arguments.csv, as_csv(rows, metrics))
    if arguments.json:
        odd_ones = [{"path": str(path), "what": why} for path, why in odd]
        text = json.dumps({"rows": [as_dict(row, metrics) for row in rows], "left_out": odd_ones}, indent=2)
        write_atomically(arguments.json, text + "\n")
    if arguments.html:
        from experiments.report.page import left_out, page  # imports Jinja2, which the table does not need

        write_atomically(arguments.html, page(found, left_out=left_out(odd)))
    if markup_of:
        print(markup_of(parts), end="")
        return cli.DONE
    if console is None:
        console = Console() if sys.stdout.isatty() else Console(width=UNLIMITED)
    show(parts, console)
    for line in _notes(parts, odd):
        tell(console, line)
    if arguments.html:
        tell(console, f"report  {arguments.html}")
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
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="print the whole table as Markdown, of any width")
    form.add_argument("--latex", action="store_true", help="print the whole table as LaTeX (package booktabs)")
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


def _notes(parts: Sequence[Section], odd: Sequence[tuple[Path, str]]) -> Iterator[str]:
    """Yield notes about failed runs, then unfinished ones, then rows and folders that need attention."""
    rows = [row for part in parts for row in part.rows]
    runs = [run for row in rows for run in row.runs if run.status != FINISHED]
    for title, some in (
        ("Failed", [run for run in runs if run.status in FAILED]),
        ("Unfinished", [run for run in runs if run.status not in FAILED]),
    ):
        yield from (f"{title}: {run.path} {run.status} at iteration {run.summary.iterations:,}" for run in some[:NAMED])
        if len(some) > NAMED:
            yield f"{title}: {len(some) - NAMED} more, see --runs"
    for row in rows:
        repeated = [seed for seed, count in Counter(str(run.seed) for run in row.runs).items() if count > 1]
        if repeated:
            yield f"{row.label}: seed {', '.join(repeated)} is there more than once, and counts each time"
    for path, why in odd:
        yield f"{path} {why}; left out"


# Files


def as_dict(row: Row, metrics: Sequence[str]) -> dict[str, Any]:
    """Convert a row to a dictionary for JSON."""
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
    """Format rows as CSV: for each metric the median, mean, std and n of best and last."""
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
