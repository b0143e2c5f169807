"""Sections of a comparison: rows with comparable figures, best first, and the facts shown above them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import floor, isclose, log10
from typing import Any, Literal

from experiments.runs.report import error_figure, figure
from experiments.trained.comparison import KINDS, Average, Row, Stats, best_of, direction, metrics_of
from experiments.trained.labels import LONGEST, Labels, labels
from experiments.trained.status import FINISHED, counted
from lightning_gans.core.received import printable
from lightning_gans.metrics.names import Better

SEEDS = 8  # most seeds listed


@dataclass(frozen=True)
class Section:
    """Rows on the same data under the same protocol, the best first.

    metrics: the headline metric first. forms: the names of the rows in several forms, the longest first. by_run: True
    if each row is a single run, named by its directory.
    """

    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    forms: tuple[tuple[str, ...], ...]
    by_run: bool = False

    @property
    def one_line(self) -> bool:
        """Return True if value and error share one line, because no row has a deviation over seeds."""
        return all(len(row.runs) == 1 for row in self.rows)

    @property
    def title(self) -> str:
        """Return data and protocol; empty if unknown."""
        data, extractor, samples, reference = self.rows[0].protocol
        facts = [extractor] if extractor else []
        facts += [f"{samples} samples" + (f" against {reference}" if reference else "")] if samples else []
        return ": ".join(filter(None, (data, ", ".join(facts))))

    @property
    def floor(self) -> tuple[str, float, float | None] | None:
        """Return the first metric with a score of held-out real data, that score, and its standard deviation."""
        for metric in self.metrics:
            for value, deviation in (run.floor(metric) for row in self.rows for run in row.runs):
                if value is not None:
                    return metric, value, deviation
        return None

    @cached_property
    def _best(self) -> dict[tuple[str, str], Stats | None]:
        return {(metric, kind): best_of(self.rows, metric, kind) for metric in self.metrics for kind in KINDS}

    def better(self, metric: str) -> Better | None:
        return direction(self.rows, metric)

    def mark(self, stats: Stats, metric: str, kind: str) -> Literal["best", "near", ""]:
        """Return the mark of a cell: the best of its column, or within two standard errors of the best."""
        best = self._best[metric, kind]
        if best is None:
            return ""
        return "best" if isclose(best.median, stats.median) else "near" if stats.near(best) else ""


def sections(
    rows: Sequence[Row],
    metrics: Sequence[str],
    *,
    asked: bool = False,
    by_run: bool = False,
    average: Average = "median",
) -> list[Section]:
    """Return the sections in the order of their data and protocols.

    Args:
        metrics: the metrics shown.
        asked: True if the user gave their order; otherwise the runs' headline metric comes first.
        by_run: True if each row is a single run, named by its directory.
        average: average over seeds by which rows are sorted.
    """
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.protocol[0], not row.protocol[1], row.protocol)):
        # Rows without an evaluation are placed at the end of the first section of their data.
        home = next((key for key in found if key[0] == row.protocol[0]), None)
        found.setdefault(home if home and not row.protocol[1] else row.protocol, []).append(row)
    told = labels([row.runs[0].config for row in rows])
    places = {id(row): index for index, row in enumerate(rows)}
    result = []
    for members in found.values():
        there = metrics_of(members)
        shown = tuple(metric for metric in metrics if metric in there)
        shown = shown if asked else _headline_first(members, shown)
        ordered = _best_first(members, shown, average)
        names = _directories(ordered) if by_run else _names(ordered, told, [places[id(row)] for row in ordered])
        result.append(Section(tuple(ordered), shown, names, by_run))
    return result


def _headline_first(rows: Sequence[Row], metrics: tuple[str, ...]) -> tuple[str, ...]:
    said = {str(name) for row in rows for run in row.runs if (name := run.summary.all.get("headline"))}
    return tuple(sorted(metrics, key=lambda metric: metric not in said)) if len(said) == 1 else metrics


def _best_first(rows: Sequence[Row], metrics: Sequence[str], average: Average) -> list[Row]:
    """Sort rows by the best value of the first metric, never by its last value; then by name."""

    def key(row: Row) -> tuple[Any, ...]:
        stats = row.stats(metrics[0], "best") if metrics else None
        sign = 1 if metrics and direction(rows, metrics[0]) == "lower" else -1
        return stats is None, sign * getattr(stats, average) if stats else 0, row.label

    return sorted(rows, key=key)


def _names(rows: Sequence[Row], told: Labels, places: Sequence[int]) -> tuple[tuple[str, ...], ...]:
    """Return the differing settings without the data, which is in the title; rows without any keep their own names."""
    forms = [told.names(place, leave=("data",)) for place in places]
    whole = [form[0] or row.label for form, row in zip(forms, rows, strict=True)]
    alike = {name for name in whole if whole.count(name) > 1}
    named = [
        (row.label,) * 3 if name in alike else tuple(part or row.label for part in form)
        for form, row, name in zip(forms, rows, whole, strict=True)
    ]
    return tuple(zip(*named, strict=True))


def _directories(rows: Sequence[Row]) -> tuple[tuple[str, ...], ...]:
    """Return directory names, with as many parent folders as needed to make them unique."""
    paths = [row.runs[0].path for row in rows]
    names = [row.label for row in rows]
    for count in range(2, max(len(path.parts) for path in paths) + 1):
        alike = {name for name in names if names.count(name) > 1}
        if not alike:
            break
        names = [
            printable("/".join(path.parts[-count:]), LONGEST) if name in alike else name
            for path, name in zip(paths, names, strict=True)
        ]
    return (tuple(names),)


# Facts above and below


def overview(found: Sequence[Section]) -> Iterator[str]:
    """Yield lines with the numbers of rows and runs, their statuses, and the settings that all rows share."""
    rows = [row for section in found for row in section.rows]
    runs = [run for row in rows for run in row.runs]
    statuses = counted(run.status for run in runs)
    ended = f"all {statuses[0]}" if len(statuses) == 1 and len(runs) > 1 else ", ".join(statuses)
    rows_of = f"{counting(len(rows), 'configuration')}, " if len(rows) < len(runs) else ""
    yield f"{rows_of}{counting(len(runs), 'run')}: {ended}."
    shared = [str(setting) for setting in labels([row.runs[0].config for row in rows]).shared]
    seeds = {tuple(sorted((str(run.seed) for run in row.runs), key=lambda seed: (len(seed), seed))) for row in rows}
    if len(seeds) == 1 and len(one := next(iter(seeds))) <= SEEDS:
        shared.append(f"seed={','.join(one)}")
    if shared:
        yield f"{'All rows' if len(rows) > 1 else 'Settings'}: {' '.join(shared)}"


def counted_runs(row: Row) -> str:
    """Format the number of runs in a row: 3, or 2/3 if only two of them have figures."""
    evaluated = sum(run.evaluated for run in row.runs)
    return str(len(row.runs)) if evaluated in (0, len(row.runs)) else f"{evaluated}/{len(row.runs)}"


def is_whole(section: Section) -> bool:
    """Return True if all runs are finished and have the same number of iterations."""
    asked = {run.config.get("iterations") for row in section.rows for run in row.runs}
    done = {run.summary.iterations for row in section.rows for run in row.runs}
    return len(asked) == 1 and asked == done


def all_finished(section: Section) -> bool:
    return all(run.status == FINISHED for row in section.rows for run in row.runs)


def floor_text(section: Section, sign: str) -> str:
    """Return the score of held-out real data, as the end of a sentence."""
    if section.floor is None:
        return ""
    metric, value, deviation = section.floor
    text = figure(value) if deviation is None else f" {sign} ".join(rounded(value, deviation))
    return f"; held-out real data score {metric} {text}"


def rounded(value: float, error: float) -> tuple[str, str]:
    """Round a figure and its error to two digits of the error."""
    if not 1e-4 <= error < 1e7:
        return figure(value), error_figure(error)
    decimals = max(1 - floor(log10(error)), 0)
    return f"{value:,.{decimals}f}", f"{error:,.{decimals}f}"


def counting(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
