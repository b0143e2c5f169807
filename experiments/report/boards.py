"""Leaderboards of runs, and a text description of each run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.report.intervals import Interval, interval
from experiments.runs import directory as runs
from experiments.runs.report import ENDINGS, figure
from experiments.trained.comparison import KINDS, Row, Run, Stats, direction, group, metrics_of
from lightning_gans.core.received import printable, read_text
from lightning_gans.metrics.names import METRICS, Better
from lightning_gans.reporting.terminal import duration, rate

LONGEST = 200  # longest name in characters
MOST_WARNINGS = 20  # of a run


@dataclass(frozen=True)
class Cell:
    """A figure of a row: text, sort key, and a mark if it is the best of its board."""

    mean: float
    n: int
    interval: Interval | None
    best: bool

    @property
    def text(self) -> str:
        return figure(self.mean)

    @property
    def error(self) -> str:
        return "" if self.interval is None else f"{self.interval.half:.2g}"


@dataclass(frozen=True)
class Told:
    """A text description of a run."""

    id: int
    name: str
    path: str
    seed: str
    status: str
    ending: str
    totals: str
    warnings: tuple[str, ...]
    command: str
    origin: str


@dataclass(frozen=True)
class Line:
    """A row of a leaderboard."""

    id: int
    row: Row
    label: str
    status: str
    iterations: int
    speed: float | None
    rate: str
    cells: Mapping[str, Mapping[str, Cell | None]]  # metric -> kind -> cell
    runs: tuple[Told, ...]

    @property
    def warnings(self) -> int:
        return sum(len(run.warnings) for run in self.runs)


@dataclass(frozen=True)
class Board:
    """Rows of one evaluation protocol, whose figures are comparable."""

    data: str
    protocol: str
    metrics: Mapping[str, tuple[str, str]]  # name -> arrow, help
    floors: Mapping[str, str]  # of held-out real data
    lines: tuple[Line, ...]


def boards(found: Sequence[Run]) -> list[Board]:
    """Return the leaderboards of runs; rows and runs are numbered in the order of the boards."""
    made, rows, members = list[Board](), 0, 0
    for of_protocol in _by_protocol(group(found)):
        lines = []
        for row in of_protocol:
            told = tuple(_told(run, members + k) for k, run in enumerate(row.runs))
            lines.append(_line(row, of_protocol, rows, told))
            rows, members = rows + 1, members + len(row.runs)
        made.append(_board(of_protocol, tuple(lines)))
    return made


def _by_protocol(rows: Sequence[Row]) -> list[list[Row]]:
    """Group rows by protocol, each group sorted from best to worst; rows without a figure come last."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(row.protocol, []).append(row)
    return [_sorted(found[protocol]) for protocol in sorted(found, key=lambda protocol: (not protocol[1], protocol))]


def _sorted(rows: list[Row]) -> list[Row]:
    metric = next(iter(_metrics(rows)), "")
    sign = -1 if direction(rows, metric) == "higher" else 1

    def key(row: Row) -> tuple[bool, float, str]:
        stats = row.stats(metric, "best")
        return stats is None, sign * stats.mean if stats else 0.0, row.label

    return sorted(rows, key=key)


def _metrics(rows: Sequence[Row]) -> list[str]:
    """Return the metrics of the rows; the most frequent headline metric comes first."""
    names = metrics_of(rows)
    said = [str(run.summary.all.get("headline")) for row in rows for run in row.runs]
    headline = max(said, key=said.count, default="")
    return sorted(names, key=lambda name: name != headline)


def _line(row: Row, peers: Sequence[Row], id: int, told: tuple[Told, ...]) -> Line:
    cells = {
        metric: {kind: _cell(row.stats(metric, kind), _best(peers, metric, kind)) for kind in KINDS}
        for metric in _metrics(peers)
    }
    speed = row.images_per_second
    return Line(
        id, row, row.label, row.status, row.iterations, speed, "" if speed is None else rate(speed), cells, told
    )


def _cell(stats: Stats | None, best: float | None) -> Cell | None:
    return None if stats is None else Cell(stats.mean, stats.n, interval(stats), stats.mean == best)


def _best(rows: Sequence[Row], metric: str, kind: str) -> float | None:
    """Return the best mean; None if fewer than two rows have one."""
    better = direction(rows, metric)
    means = [stats.mean for row in rows if (stats := row.stats(metric, kind)) is not None]
    if better is None or len(means) < 2:
        return None
    return min(means) if better == "lower" else max(means)


def _board(rows: Sequence[Row], lines: tuple[Line, ...]) -> Board:
    data, extractor, count, reference = rows[0].protocol
    protocol = f"{extractor}: {count} samples against {reference}" if extractor else "not evaluated"
    metrics = {name: (_arrow(direction(rows, name)), help_of(name)) for name in _metrics(rows)}
    floors = {name: figure(value) for name, value in floors_of(rows).items()}
    return Board(data or "unknown data", protocol, metrics, floors, lines)


def floors_of(rows: Sequence[Row]) -> dict[str, float]:
    """Return the score of held-out real data on each metric, from the first run that measured it."""
    measured = ((name, run.floor(name)[0]) for name in metrics_of(rows) for row in rows[::-1] for run in row.runs[::-1])
    return {name: value for name, value in measured if value is not None}


def _arrow(better: Better | None) -> str:
    return {None: "", "lower": "↓", "higher": "↑"}[better]


def help_of(name: str) -> str:
    """Return a one-line description of a metric; empty for an unknown one."""
    return METRICS[name].help if name in METRICS else ""


# Text descriptions of runs


def _told(run: Run, id: int) -> Told:
    summary = run.summary
    totals = [f"{summary.iterations:,} iterations", f"{summary.images:,} images", duration(summary.seconds)]
    command, origin = _command(run.path)
    return Told(
        id,
        printable(run.path.name, LONGEST),
        printable(run.path, 4 * LONGEST),
        str(run.seed),
        run.status,
        ENDINGS.get(run.status, ""),
        ", ".join(totals),
        tuple(_warnings(run)),
        command,
        origin,
    )


def _warnings(run: Run) -> Iterator[str]:
    """Yield the warnings in the run's summary: collapse, memorisation, divergence."""
    if run.status == "diverged":
        yield f"Iteration {run.summary.iterations:,}: {ENDINGS['diverged']}."
    found = run.summary.all.get("warnings")
    for warning in found[:MOST_WARNINGS] if isinstance(found, list) else []:
        if isinstance(warning, Mapping) and isinstance(warning.get("text"), str):
            iteration = runs.number(warning.get("iteration"))
            text = printable(warning["text"], 5 * LONGEST)
            yield text if iteration is None else f"Iteration {iteration:,}: {text}"


def _command(run_dir: Path) -> tuple[str, str]:
    """Return the command of a run, and the lines about commit and machine after it."""
    try:
        lines = read_text(run_dir / runs.COMMAND, 2**16).rstrip().split("\n")
    except (OSError, ValueError):
        return "", ""
    end = next((i for i, line in enumerate(lines) if i and line.startswith("commit ")), 1)
    return "\n".join(map(printable, lines[:end])), "\n".join(map(printable, lines[end:]))
