"""Search for runs on disk, and statistics over the seeds of a configuration. Imports no heavy packages."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import hypot, isclose, sqrt
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any, Literal

from experiments.runs import directory as runs
from experiments.runs.resume import flatten, is_free
from experiments.trained.labels import LONGEST, labels
from experiments.trained.status import counted, status_of
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import check_folder, printable
from lightning_gans.metrics.names import ERROR, METRICS, Better

SIGNS = ("config.yaml", "summary.json", "metrics.csv", "checkpoints")  # a folder with any of these is a run
KINDS = ("best", "last")
Average = Literal["median", "mean"]
LONGEST_STATUS = 24
OWN_DATA = ("folder", "speech")  # choices of data whose data set is a folder
DEEPEST = 30  # deepest level of folders searched for runs


@dataclass(frozen=True)
class Run:
    """A run's folder with its configuration and results."""

    path: Path
    config: Mapping[str, Any]
    summary: runs.Summary

    @property
    def seed(self) -> Any:
        seed = self.config.get("seed")
        return seed if isinstance(seed, int) else _shown(seed)

    @property
    def label(self) -> str:
        """Return the run's name without its seed."""
        named = self.config.get("names")
        if isinstance(named, Mapping) and self.path.name == named.get("run"):
            return _shown(named.get("group"))
        return _shown(self.path.name.removesuffix(f"-{self.seed}"))

    @property
    def data(self) -> str:
        named = self.config.get("names")
        return _shown(named.get("data")) if isinstance(named, Mapping) else ""

    @cached_property
    def status(self) -> str:
        """Return finished, running, stopped, killed, diverged or crashed; see experiments.trained.status."""
        return printable(status_of(self.path, self.summary.status), LONGEST_STATUS)

    @property
    def evaluated(self) -> bool:
        return bool(self.summary.metrics)

    @property
    def protocol(self) -> tuple[str, ...]:
        """Return the evaluation protocol of the run; runs with different protocols cannot be compared."""
        about = self.summary.all.get("evaluation")
        about = about if isinstance(about, Mapping) else {}
        return (self.data, *(_shown(about.get(key) or "") for key in ("extractor", "samples", "reference")))

    def floor(self, metric: str) -> tuple[float | None, float | None]:
        """Return the score of held-out real data and its standard deviation over draws, if measured."""
        about = self.summary.all.get("evaluation")
        floor = about.get("floor") if isinstance(about, Mapping) else None
        if not isinstance(floor, Mapping):
            return None, None
        return runs.number(floor.get(metric)), runs.number(floor.get(f"{metric}{ERROR}"))

    @property
    def configuration(self) -> str:
        """Return a key that is equal for runs that differ only in seed, paths and machine."""
        kept = [
            (key, value)
            for key, value in flatten(self.config)
            # Settings derived from the seed differ with it.
            if value is not None and not is_free(key) and not (key.rpartition(".")[2] == "seed" and value == self.seed)
        ]
        return json.dumps(sorted(kept), default=str)


@dataclass(frozen=True)
class Stats:
    """Statistics over seeds; std is the sample standard deviation (n - 1), None for one seed.

    error: standard error over several seeds, or that of a single run's figure; None if unknown.
    """

    n: int
    median: float
    mean: float
    std: float | None
    error: float | None = None

    @classmethod
    def of(cls, values: Sequence[float], errors: Sequence[float | None] = ()) -> "Stats | None":
        if not values:
            return None
        std = stdev(values) if len(values) > 1 else None
        error = errors[0] if std is None and errors else None if std is None else std / sqrt(len(values))
        return cls(len(values), median(values), fmean(values), std, error)

    def near(self, other: "Stats") -> bool:
        """Return True if the medians differ by less than two standard errors of their difference."""
        if self.error is None or other.error is None:
            return False
        return abs(self.median - other.median) < 2 * hypot(self.error, other.error)


@dataclass(frozen=True)
class Row:
    """The runs of one configuration, with one or more seeds."""

    label: str
    runs: tuple[Run, ...]

    @property
    def protocol(self) -> tuple[str, ...]:
        return self.runs[0].protocol

    @property
    def status(self) -> str:
        return ", ".join(self.statuses)

    @property
    def statuses(self) -> list[str]:
        """Return the common status of all runs, or the count of each status."""
        return counted(run.status for run in self.runs)

    @property
    def iterations(self) -> int:
        return round(median(run.summary.iterations for run in self.runs))

    @property
    def images_per_second(self) -> float | None:
        speeds = [run.summary.images_per_second for run in self.runs]
        found = [speed for speed in speeds if speed is not None]
        return median(found) if found else None

    def stats(self, metric: str, kind: str) -> Stats | None:
        """Return the statistics of a metric. kind: "best" or "last"."""
        found = [run.summary.metrics.get(metric, {}) for run in self.runs]
        known = [score for score in found if score.get(kind) is not None]
        return Stats.of([score[kind] for score in known], [score.get(f"{kind}{ERROR}") for score in known])


def _shown(text: object) -> str:
    """Make text of a run, which may be untrusted, printable and no longer than a line."""
    return printable(text, LONGEST)


def find(folders: Sequence[Path]) -> tuple[list[Run], list[tuple[Path, str]]]:
    """Find the runs in and below `folders`, and (folder, problem) of those that cannot be compared.

    Raises:
        UserError: a folder does not exist.
    """
    found, odd, seen = [], [], set[str]()
    for folder in folders:
        if not folder.is_dir():
            what = "is a file; name the run's folder" if folder.is_file() else "is not there"
            raise UserError(f"{folder} {what}. Give folders that hold runs, as in: python -m experiments.compare runs/")
        for path in _candidates(folder):
            if (real := os.path.realpath(path)) in seen:
                continue
            seen.add(real)
            run = _read(path)
            if isinstance(run, Run):
                found.append(run)
            else:
                odd.append((path, run))
    return found, odd


def group(found: Sequence[Run]) -> list[Row]:
    """Group runs by configuration; rows with equal names are distinguished by the settings that differ."""
    by_key: dict[tuple[str, tuple[str, ...]], list[Run]] = {}
    # Evaluated runs come first: a run without an evaluation joins the first row of its configuration.
    for run in sorted(found, key=lambda run: not run.evaluated):
        what = _what(run)
        same = [key for key in by_key if key[0] == what] if not run.evaluated else []
        by_key.setdefault(same[0] if same else (what, run.protocol), []).append(run)
    rows = [
        Row(members[0].label, tuple(sorted(members, key=lambda run: (not run.evaluated, str(run.path)))))
        for members in by_key.values()
    ]
    counts = Counter(row.label for row in rows)
    repeated = {label: [row for row in rows if row.label == label] for label, count in counts.items() if count > 1}
    apart = {id(row): told for alike in repeated.values() for row, told in zip(alike, _apart(alike), strict=True)}
    return [replace(row, label=f"{row.label} ({apart[id(row)]})") if id(row) in apart else row for row in rows]


def single(found: Sequence[Run]) -> list[Row]:
    """Return one row per run."""
    return [Row(_shown(run.path.name), (run,)) for run in found]


def metrics_of(rows: Sequence[Row]) -> list[str]:
    """Return the metrics of any run, in the order of the list of all metrics."""
    found = {name for row in rows for run in row.runs for name in run.summary.metrics}
    return [name for name in METRICS if name in found] + sorted(found - set(METRICS))


def direction(rows: Sequence[Row], metric: str) -> Better | None:
    """Return the better direction of a metric; None if no run records it, or if runs disagree."""
    said = {run.summary.metrics[metric]["better"] for row in rows for run in row.runs if metric in run.summary.metrics}
    return said.pop() if len(said) == 1 else None


def best_of(rows: Sequence[Row], metric: str, kind: str, average: Average = "median") -> Stats | None:
    """Return the statistics with the best median or mean; None if there is nothing to compare, or all are equal."""
    better = direction(rows, metric)
    found = [stats for row in rows if (stats := row.stats(metric, kind)) is not None]
    values = [getattr(stats, average) for stats in found]
    if better is None or all(isclose(value, values[0]) for value in values):
        return None
    return (min if better == "lower" else max)(found, key=lambda stats: getattr(stats, average))


def _candidates(folder: Path, depth: int = 0) -> Iterator[Path]:
    if depth > DEEPEST:
        return
    try:
        found = [entry for entry in os.scandir(folder) if entry.name != runs.LOCK]
        entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    if any(entry.name in SIGNS for entry in entries) or not entries:
        yield folder
        return
    for entry in entries:
        # A symbolic link to a run counts as a run; other links are not followed.
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _candidates(Path(entry.path), depth + 1)
        elif entry.is_dir() and any((Path(entry.path) / sign).exists() for sign in SIGNS):
            yield Path(os.path.realpath(entry.path))


def _read(path: Path) -> Run | str:
    """Read a run, or return the reason why a folder is not one."""
    try:
        if set(os.listdir(path)) <= {runs.LOCK}:
            return "is empty"
        check_folder(path)
        config, summary = runs.read_config(path), runs.read_summary(path)
    except (OSError, UserError) as error:
        return f"is broken: {str(error).split('. ')[0]}"
    if config is None:
        return f"is broken: it has no {runs.CONFIG}"
    if summary is None:
        return f"has not come to its first evaluation: it has no {runs.SUMMARY}"
    return Run(path, config, summary)


def _what(run: Run) -> str:
    """Return the configuration of a run, and the folder if its data are a folder."""
    data = run.config.get("data")
    root = data.get("root") if run.data in OWN_DATA and isinstance(data, Mapping) else ""
    return f"{run.configuration} {root}"


def _apart(rows: Sequence[Row]) -> list[str]:
    """Return the settings that distinguish rows with one name, or their protocols if the settings are equal."""
    about = [dict(zip(("extractor", "samples", "reference"), row.protocol[1:], strict=True)) for row in rows]
    parts = labels([row.runs[0].config for row in rows], about).parts
    return [", ".join(map(str, settings)) for settings in parts]
