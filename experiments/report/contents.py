"""The contents of a report as plain data: leaderboards, curves, grids, settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.report import curves, samples
from experiments.report.boards import LONGEST, Board, boards, floors_of, help_of
from experiments.runs.resume import flatten, is_free
from experiments.settings.spec import plain
from experiments.trained.comparison import Run, direction
from lightning_gans.core.received import printable

POINTS = 60_000  # rows of curves, of all runs together
ROWS = (40, 500)  # fewest and most rows of one run
MOST_SAMPLED = 24  # runs whose grids are embedded
MOST_BYTES = 10 * 2**20  # of all grids
MOST_KEYS = 300  # most settings that differ
SELECTED = 6  # rows selected initially


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
    """Return the contents of the page of these runs."""
    made = boards(found)
    lines = [line for board in made for line in board.lines]
    members = [run for line in lines for run in line.row.runs]
    notes: list[str] = []
    packed = _curves(members, notes)
    _embed_samples(members, packed, notes)
    rows = [line.row for line in lines]
    data = {
        "rows": [
            {
                "label": line.label,
                "data": line.row.protocol[0],
                "runs": [run.id for run in line.runs],
                "floors": floors_of([line.row]),
            }
            for line in lines
        ],
        "runs": packed,
        "metrics": {
            name: {"better": direction(rows, name), "help": help_of(name)} for board in made for name in board.metrics
        },
        "settings": _settings(members, notes),
        "selected": list(range(len(rows)))[:SELECTED],
    }
    return Contents(tuple(made), len(members), tuple(notes), data)


def _curves(members: Sequence[Run], notes: list[str]) -> list[dict[str, Any]]:
    most = min(max(POINTS // max(len(members), 1) // 2, ROWS[0]), ROWS[1])
    found, thinned = [], 0
    for run in members:
        tables = {"metrics": curves.metrics_of(run), "losses": curves.losses_of(run)}
        thinned += any(table.rows > most for table in tables.values())
        seed = "" if run.seed is None else f" · {run.seed}" if len(str(run.seed)) < 12 else ""
        found.append(
            {
                "name": printable(run.path.name, LONGEST),
                "seed": seed,
                "players": curves.players_of(list(tables["losses"].columns)),
                **{name: _packed(table.thinned(most)) for name, table in tables.items()},
            }
        )
    if thinned:
        notes.append(
            f"Curves of {_count(thinned, 'run')} are drawn from at most {most} rows of a table, outliers among them."
        )
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
        notes.append(
            f"Of {_count(thinned, 'run')}, {samples.MOST_FRAMES} grids of samples each are shown, evenly spread."
        )
    if left_out:
        notes.append(
            f"Grids of {_count(left_out, 'run')} are left out, to keep the file small; the best runs have theirs."
        )


def _settings(members: Sequence[Run], notes: list[str]) -> dict[str, Any]:
    """Return the settings that differ between runs: the keys, and for each run the index of its value in `values`."""
    flat = [{key: value for key, value in flatten(run.config) if not is_free(key)} for run in members]
    keys = dict.fromkeys(key for config in flat for key in config)
    texts = {key: [_value(config, key) for config in flat] for key in keys}
    differing = [key for key, found in texts.items() if len(set(found)) > 1 and not _repeated(key, texts)]
    if len(differing) > MOST_KEYS:
        notes.append(f"{_count(len(differing) - MOST_KEYS, 'setting')} that differ are left out.")
    values: dict[str, int] = {}
    rows = [[values.setdefault(text, len(values)) for text in texts[key]] for key in differing[:MOST_KEYS]]
    return {"keys": [printable(key, LONGEST) for key in differing[:MOST_KEYS]], "values": list(values), "rows": rows}


def _repeated(key: str, texts: Mapping[str, Sequence[str]]) -> bool:
    """Return True if a value of the variant repeats that of a group, as variant.model repeats network.model."""
    group, _, rest = key.partition(".")
    sources = (f"network.{rest}", rest, f"objective.{rest.removeprefix('loss.')}") if group == "variant" else ()
    return any(texts.get(source) == texts[key] for source in sources)


def _value(config: Mapping[str, Any], key: str) -> str:
    if key not in config:
        return "–"
    text = plain(config[key])
    if key.rpartition(".")[2] == "_target_":
        text = ".".join(text.split(".")[-2:])  # its module and class
    return printable(text, LONGEST)


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
