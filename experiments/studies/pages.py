"""Helpers of study reports: logged values of runs, and a page with a figure."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from experiments import cli
from experiments.runs import directory as runs
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import write_atomically
from lightning_gans.core.received import printable, read_text
from lightning_gans.metrics.names import earlier

MOST_BYTES = 2**28  # of a table: a million rows of what a game logs


def finished(run_dirs: Sequence[Path]) -> list[Path]:
    """Those that ended well; the others are named on the terminal.

    Raises:
        UserError: there is none.
    """
    done = ended(run_dirs, "finished")
    if not done:
        raise UserError("No run of these finished, so there is nothing to report. The same command continues them.")
    return done


def ended(run_dirs: Sequence[Path], *statuses: str) -> list[Path]:
    """Those whose summary has one of `statuses`; the others are named on the terminal."""
    done = []
    for run_dir in run_dirs:
        try:
            summary = runs.read_summary(run_dir)
        except UserError as error:
            cli.tell(f"left out of the report: {run_dir} ({error})")
            continue
        if summary is not None and summary.status in statuses:
            done.append(run_dir)
        else:
            cli.tell(f"left out of the report: {run_dir} ({summary.status if summary else 'no summary'})")
    return done


def tested(run_dirs: Sequence[Path]) -> list[Path]:
    """Those that ended well and were measured on test; the others are named on the terminal.

    Raises:
        UserError: there is none.
    """
    done = []
    for run_dir in finished(run_dirs):
        if "test" in summary_of(run_dir).all:
            done.append(run_dir)
        else:
            cli.tell(f"left out of the report: {run_dir} (measured nothing: metrics=none)")
    if not done:
        raise UserError("No run of these ended and was measured, so there is nothing to report.")
    return done


def by_data(run_dirs: Sequence[Path]) -> dict[str, list[Path]]:
    """The runs of each data set, by its name."""
    found: dict[str, list[Path]] = defaultdict(list)
    for run_dir in run_dirs:
        found[config_of(run_dir)["names"]["data"]].append(run_dir)
    return dict(found)


def summary_of(run_dir: Path) -> runs.Summary:
    """Return the summary of a finished run."""
    summary = runs.read_summary(run_dir)
    assert summary is not None, run_dir
    return summary


def config_of(run_dir: Path) -> dict[str, Any]:
    """A run's resolved configuration; its `names`, which a page and its file are called by, in letters, digits and -._.

    Names that a run gives itself are of those characters. Others (of a run from a stranger) could lead to another
    folder, or write Markdown.
    """
    config = runs.read_config(run_dir) or {}
    names = config.get("names")
    if isinstance(names, dict):
        config["names"] = {key: runs.clean(str(name)) for key, name in names.items()}
    return config


def column(run_dir: Path, name: str, *, file: str = "losses.csv") -> tuple[list[int], list[float]]:
    """Iterations and values of one logged quantity, where it has values: one at least.

    Raises:
        UserError: the file is not there, is no such table, or has no value of it.
    """
    path = run_dir / file
    try:
        table = csv.DictReader(io.StringIO(read_text(path, MOST_BYTES), newline=""))
        older = {new: old for old, new in earlier(runs.suffix(run_dir)).items()}.get(name, name)
        rows = [(int(row["iteration"]), float(value)) for row in table if (value := row.get(name) or row.get(older))]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a table of this study ({error}).") from error
    if not rows:
        raise UserError(
            f"{path} has no value of {name}, which this study draws: the run is too short, or did not measure it. "
            "Give it more iterations, or leave metrics= as the study has it."
        )
    return [iteration for iteration, _ in rows], [value for _, value in rows]


def game_of(names: Mapping[str, str], study: str) -> str:
    """A run's name less its data, its seed and the study's: the variant, with what the command line changed."""
    group = names["group"].replace(f"-{names['data']}", "", 1)
    return group.removesuffix(f"-{study}").replace(f"-{study}", "")


def settled(run_dir: Path, name: str, *, share: float = 0.1) -> float:
    """The mean of a logged quantity over the last `share` of the run."""
    iterations, values = column(run_dir, name)
    late = [
        value for iteration, value in zip(iterations, values, strict=True) if iteration > (1 - share) * iterations[-1]
    ]
    return fmean(late)


def spread(values: Sequence[float], digits: int = 3) -> str:
    """mean +- the sample's standard deviation over several runs, or the value of one."""
    if len(values) == 1:
        return f"{values[0]:.{digits}f}"
    return f"{fmean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; cells may have markup of their own, but end no cell and no line."""
    lines = [[printable(cell).replace("|", "\\|") for cell in line] for line in (head, *rows)]
    lines.insert(1, ["---"] * len(head))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def over(x: Any, again: Any, columns: int) -> Any:
    """Images (N, C, H, W), N a multiple of `columns`, each row over that of reconstructions: (2 N, C, H, W)."""
    import torch

    rows = torch.stack([part.cpu().unflatten(0, (-1, columns)) for part in (x, again)], dim=1)
    return rows.flatten(0, 2)


def write_page(folder: Path, name: str, text: str, figure: Any) -> None:
    """`name`.md and `name`.png, each whole or not at all; says where they are."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=150, bbox_inches="tight")
    write_atomically(folder / f"{name}.png", picture.getvalue())
    write_atomically(folder / f"{name}.md", text)
    cli.tell(f"{folder / name}.md and .png")
