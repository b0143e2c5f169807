"""Record of a study's runs next to its page, one line per run, to which later runs and other machines add lines."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.jobs.precision import of_record
from experiments.runs import directory as runs
from experiments.studies.pages import config_of, summary_of
from experiments.trained.comparison import Run
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.core.received import printable, read_text
from lightning_gans.metrics.names import earlier

KEYS = ("data", "game", "seed")
FACTS = ("status", "iterations", "batch_size", "precision", "seconds", "recipe", "commit", "machine")

Line = Mapping[str, str]


class Record:
    """The lines of `<study>.csv`: read, extended by those of new runs, and rewritten.

    A repeated run replaces its line. Runs of one game with different recipes are kept separate, because their mean
    would be meaningless.

    Args:
        file: the record, which need not exist yet.
        metrics: names of the columns with numbers; a cell is empty if a run lacks the number.

    Raises:
        UserError: the file is not such a record.
    """

    def __init__(self, file: Path, metrics: Sequence[str]) -> None:
        self.file, self.columns = file, (*KEYS, *metrics, *FACTS)
        self._lines: dict[tuple[str, ...], Line] = {}
        if file.is_file():
            with file.open(newline="", encoding="utf-8") as text:
                reader = csv.DictReader(text)
                if reader.fieldnames is not None:  # studies of version 0.1 used a classifier as extractor
                    reader.fieldnames = [earlier("_classifier").get(name, name) for name in reader.fieldnames]
                if reader.fieldnames is None or set(reader.fieldnames) != set(self.columns):
                    raise UserError(
                        f"{file}: not the record of this study, whose columns are {', '.join(self.columns)}. "
                        "Move it away to begin a new one."
                    )
                for line in reader:
                    self._lines[_key(line)] = line

    def add(self, run_dir: Path, game: str, values: Mapping[str, float | str | None]) -> None:
        """Add or replace a run's line; `values` by metric: numbers, None if missing, or text from `as_curve`."""
        run = Run(run_dir, config_of(run_dir), summary_of(run_dir))
        written = {metric: _written(value) for metric, value in values.items()}
        line = dict.fromkeys(self.columns, "") | written
        line |= {"game": game, "status": run.summary.status, "recipe": _recipe(run)} | settings_of(run.config)
        line |= {"seconds": f"{run.summary.seconds:.0f}", **_sitting(run_dir)}
        self._lines[_key(line)] = line

    def __iter__(self) -> Iterator[Line]:
        return iter(sorted(self._lines.values(), key=lambda line: (*_key(line)[:3], int(line["seed"]))))

    def games(self, data: str) -> dict[str, list[Line]]:
        """Return the lines of a data set by game, or by game and recipe if a game has several recipes.

        A recipe is labelled by its budget (iterations x batch), or by its digest if budgets are equal.
        """
        recipes: dict[str, dict[str, list[Line]]] = {}
        for line in self:
            if line["data"] == data:
                recipes.setdefault(line["game"], {}).setdefault(line["recipe"], []).append(line)
        found: dict[str, list[Line]] = {}
        for game, of_game in recipes.items():
            budgets = {recipe: _budget(lines[0]) for recipe, lines in of_game.items()}
            told = len(set(budgets.values())) == len(budgets)
            for recipe, lines in of_game.items():
                found[game if len(of_game) == 1 else f"{game} ({budgets[recipe] if told else recipe})"] = lines
        return found

    def write(self) -> None:
        """Write the whole record atomically."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self)
        write_atomically(self.file, text.getvalue())


def settings_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns of a run's line that its configuration determines."""
    return {
        "data": runs.clean(str(config["names"]["data"])),
        "seed": str(int(config["seed"])),
        "iterations": str(int(config["iterations"])),
        "batch_size": str(int(config["data"]["batch_size"])),
        "precision": runs.clean(of_record(config)),
    }


def asked(lines: Sequence[Line], *, shipped: str, of_data: Mapping[str, Any], iterations: int | None = None) -> str:
    """Return the overrides of a study's command for these runs, such as " data=mnist seed=1,2".

    Args:
        lines: lines of one data set; the columns of `settings_of` suffice.
        shipped: default data set of the study.
        of_data: the configuration of the data set.
        iterations: default iterations of the study, if it has one number for all runs.
    """
    data = lines[0]["data"]
    budgets = {int(line["iterations"]) for line in lines}
    said = ("" if data == shipped else f" data={data}") + " data_dir=DIR" * ("download" in of_data)
    said += " data.photos=DIR" * bool(of_data.get("photos"))
    if iterations is not None and len(budgets) == 1 and iterations not in budgets:
        said += f" iterations={budgets.pop()}"
    precisions = sorted({line["precision"] for line in lines} - {"auto"})
    said += "".join(f" trainer.precision={chosen}" for chosen in precisions)
    return f"{said} seed={','.join(sorted({line['seed'] for line in lines}, key=int))}"


def as_curve(iterations: Sequence[int], values: Sequence[float]) -> str:
    """Encode a curve over training in one cell, "100:0.5 200:0.75"."""
    return " ".join(f"{iteration}:{_written(value)}" for iteration, value in zip(iterations, values, strict=True))


def of_curve(cell: str) -> tuple[list[int], list[float]]:
    """Decode the iterations and values of such a cell."""
    points = [point.split(":") for point in cell.split()]
    return [int(iteration) for iteration, _ in points], [float(value) for _, value in points]


def _written(value: float | str | None) -> str:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9.e+:nainf -]*", value):
            raise ValueError(f"{printable(value, 80)} is neither a number nor a curve")
        return value
    return "" if value is None else f"{value:.6g}"


def _recipe(run: Run) -> str:
    """Return a digest of a run's settings, independent of seed and paths but not of precision."""
    return runs.digest(f"{run.configuration} {of_record(run.config)}")


def _budget(line: Line) -> str:
    return f"{int(line['iterations']):,} x {line['batch_size']}"


def _key(line: Line) -> tuple[str, ...]:
    return line["data"], line["game"], line["recipe"], line["seed"]


def _sitting(run_dir: Path) -> dict[str, str]:
    """Return commit and machine from the run's last command."""
    file = run_dir / runs.COMMAND
    try:
        lines = list(map(printable, read_text(file).splitlines()))
    except (OSError, ValueError):  # the file is missing or is not text
        lines = []
    commit = [line.removeprefix("commit ") for line in lines if line.startswith("commit ")]
    return {"commit": commit[-1] if commit else "", "machine": lines[-1].rpartition(", ")[2] if lines else ""}
