"""What a report says of runs, as plain data: boards with their rows, curves, grids, settings, warnings, commands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.report import curves, samples
from experiments.report.intervals import Interval, interval
from experiments.runs import directory as runs
from experiments.runs.report import ENDINGS, figure
from experiments.runs.resume import flatten, is_free
from experiments.settings.spec import plain
from experiments.trained.comparison import Row, Run, Stats, direction, group, metrics_of
from lightning_gans.core.received import printable, read_text
from lightning_gans.metrics.names import METRICS, Better
from lightning_gans.reporting.terminal import duration, rate

POINTS = 60_000  # of all runs together: rows of curves
ROWS = (40, 500)  # fewest and most of one run's
MOST_SAMPLED = 24  # runs whose grids are embedded
MOST_BYTES = 10 * 2**20  # of all grids
MOST_KEYS = 300  # settings that differ
LONGEST = 200  # characters of a setting
SELECTED = 6  # rows that are selected at first
KINDS = ("best", "last")


@dataclass(frozen=True)
class Cell:
    """A figure of a row: its text, what it is sorted by, and whether it is the best of its board."""

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
    """A run in words."""

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
    """Rows of one protocol, whose figures can be compared."""

    data: str
    protocol: str
    metrics: Mapping[str, tuple[str, str]]  # name -> arrow, help
    floors: Mapping[str, str]  # of held-out real data
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Contents:
    boards: tuple[Board, ...]
    runs: int
    notes: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)

    @property
    def single(self) -> bool:
        return self.runs == 1


def contents(found: Sequence[Run]) -> Contents:
    """Everything that the page of these runs says."""
    boards, rows, members = [], list[Row](), list[Run]()
    for of_protocol in _by_protocol(group(found)):
        lines = []
        for row in of_protocol:
            told = tuple(_told(run, len(members) + k) for k, run in enumerate(row.runs))
            members += row.runs
            lines.append(_line(row, of_protocol, len(rows), told))
            rows.append(row)
        boards.append(_board(of_protocol, tuple(lines)))
    notes: list[str] = []
    packed = _curves(members, notes)
    _embed_samples(members, packed, notes)
    data = {
        "rows": [
            _row(row, line) for row, line in zip(rows, (line for board in boards for line in board.lines), strict=True)
        ],
        "runs": packed,
        "metrics": {name: _about(rows, name) for board in boards for name in board.metrics},
        "settings": _settings(members, notes),
        "selected": list(range(len(rows)))[:SELECTED],
    }
    return Contents(tuple(boards), len(members), tuple(notes), data)


def _by_protocol(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of each protocol, from the best on; those without any figure last."""
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
    """The metrics of these rows, the headline that most runs have first."""
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
    return Line(id, row.label, row.status, row.iterations, speed, "" if speed is None else rate(speed), cells, told)


def _cell(stats: Stats | None, best: float | None) -> Cell | None:
    return None if stats is None else Cell(stats.mean, stats.n, interval(stats), stats.mean == best)


def _best(rows: Sequence[Row], metric: str, kind: str) -> float | None:
    """The best mean; None where there are not two to compare."""
    better = direction(rows, metric)
    means = [stats.mean for row in rows if (stats := row.stats(metric, kind)) is not None]
    if better is None or len(means) < 2:
        return None
    return min(means) if better == "lower" else max(means)


def _board(rows: Sequence[Row], lines: tuple[Line, ...]) -> Board:
    data, extractor, count, reference = rows[0].protocol
    protocol = f"{extractor}: {count} samples against {reference}" if extractor else "not evaluated"
    metrics = {name: (_arrow(direction(rows, name)), _help(name)) for name in _metrics(rows)}
    floors = {name: figure(value) for name, value in _floors(rows).items()}
    return Board(data or "unknown data", protocol, metrics, floors, lines)


def _floors(rows: Sequence[Row]) -> dict[str, float]:
    """The score of held-out real data on each metric, by the first run that has measured it."""
    measured = ((name, run.floor(name)[0]) for name in metrics_of(rows) for row in rows[::-1] for run in row.runs[::-1])
    return {name: value for name, value in measured if value is not None}


def _arrow(better: Better | None) -> str:
    return {None: "", "lower": "↓", "higher": "↑"}[better]


def _help(name: str) -> str:
    return METRICS[name].help if name in METRICS else ""


def _about(rows: Sequence[Row], name: str) -> dict[str, str | None]:
    return {"better": direction(rows, name), "help": _help(name)}


def _row(row: Row, line: Line) -> dict[str, Any]:
    return {
        "label": line.label,
        "data": row.protocol[0],
        "runs": [run.id for run in line.runs],
        "floors": _floors([row]),
    }


# Runs in words


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
    """What the run's summary warns of: collapse, memorisation, divergence."""
    if run.status == "diverged":
        yield f"Iteration {run.summary.iterations:,}: {ENDINGS['diverged']}."
    found = run.summary.all.get("warnings")
    for warning in found[:20] if isinstance(found, list) else []:
        if isinstance(warning, Mapping) and isinstance(warning.get("text"), str):
            iteration = runs.number(warning.get("iteration"))
            text = printable(warning["text"], 5 * LONGEST)
            yield text if iteration is None else f"Iteration {iteration:,}: {text}"


def _command(run_dir: Path) -> tuple[str, str]:
    """The command of a run, and the lines about commit and machine that follow it."""
    try:
        lines = read_text(run_dir / runs.COMMAND, 2**16).rstrip().split("\n")
    except (OSError, ValueError):
        return "", ""
    end = next((i for i, line in enumerate(lines) if i and line.startswith("commit ")), 1)
    return "\n".join(map(printable, lines[:end])), "\n".join(map(printable, lines[end:]))


# Curves, grids, settings


def _curves(members: Sequence[Run], notes: list[str]) -> list[dict[str, Any]]:
    most = min(max(POINTS // max(len(members), 1) // 2, ROWS[0]), ROWS[1])
    found, thinned = [], 0
    for run in members:
        tables = {name: curves.read(run.path / f"{name}.csv") for name in ("metrics", "losses")}
        thinned += any(table.rows > most for table in tables.values())
        seed = "" if run.seed is None else f" · {run.seed}" if len(str(run.seed)) < 12 else ""
        found.append(
            {
                "name": printable(run.path.name, LONGEST),
                "seed": seed,
                "players": curves.losses_of(list(tables["losses"].columns)),
                **{name: _packed(table.thinned(most)) for name, table in tables.items()},
            }
        )
    if thinned:
        notes.append(f"Curves of {thinned} runs are drawn from at most {most} rows of a table, outliers among them.")
    return found


def _packed(table: curves.Curves) -> dict[str, Any]:
    return {
        "axes": {name: [_short(value, 8) for value in values] for name, values in table.axes.items()},
        "columns": {name: [_short(value, 5) for value in values] for name, values in table.columns.items()},
    }


def _short(value: float | None, digits: int) -> float | int | None:
    if value is None:
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 2**53 else short


def _embed_samples(members: Sequence[Run], packed: Sequence[dict[str, Any]], notes: list[str]) -> None:
    size, left_out, thinned = 0, 0, 0
    for k, (run, into) in enumerate(zip(members, packed, strict=True)):
        if k >= MOST_SAMPLED or size > MOST_BYTES:
            left_out += bool(samples.grids(run.path))
            continue
        found, count = samples.frames(run.path)
        size += sum(len(frame.image) for frame in found)
        thinned += count > len(found)
        into["frames"] = found
    if thinned:
        notes.append(f"Of {thinned} runs, {samples.MOST_FRAMES} grids of samples each are shown, evenly spread.")
    if left_out:
        notes.append(f"Grids of {left_out} runs are left out, to keep the file small; the best runs have theirs.")


def _settings(members: Sequence[Run], notes: list[str]) -> dict[str, Any]:
    """Settings that differ between any two runs: their keys, and for each run the number of its value in `values`."""
    flat = [{key: value for key, value in flatten(run.config) if not is_free(key)} for run in members]
    keys = dict.fromkeys(key for config in flat for key in config)
    texts = {key: [_value(config, key) for config in flat] for key in keys}
    # The same value stands under network.generator and under variant.model.generator: the shorter key is shown.
    same: dict[tuple[str, ...], str] = {}
    for key in sorted(texts, key=len):
        same.setdefault((key.rpartition(".")[2], *texts[key]), key)
    differing = [key for key, found in texts.items() if len(set(found)) > 1 and key in same.values()]
    if len(differing) > MOST_KEYS:
        notes.append(f"{len(differing) - MOST_KEYS} settings that differ are left out.")
    values: dict[str, int] = {}
    rows = [[values.setdefault(text, len(values)) for text in texts[key]] for key in differing[:MOST_KEYS]]
    return {"keys": [printable(key, LONGEST) for key in differing[:MOST_KEYS]], "values": list(values), "rows": rows}


def _value(config: Mapping[str, Any], key: str) -> str:
    if key not in config:
        return "–"
    text = plain(config[key])
    if key.rpartition(".")[2] == "_target_":
        text = ".".join(text.split(".")[-2:])  # its module and class
    return printable(text, LONGEST)
