"""Final report of a run as text and a table, from its summary.json only. Imports no torch."""

import contextlib
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from experiments.runs import abilities
from experiments.runs.directory import better_of, number, present
from lightning_gans.core.received import load_json, printable, read_text
from lightning_gans.metrics.names import METRICS, Better
from lightning_gans.reporting.terminal import duration, rate

TRANSLATIONS = (("last a2b", "translations-a2b-*.png"), ("last b2a", "translations-b2a-*.png"))

ENDINGS = {
    "finished": "finished",
    "running": "running, or killed: the same command goes on from the last checkpoint",
    "stopped": "stopped: the same command goes on from here",
    "crashed": "crashed: an error ended it; the same command goes on from the last checkpoint",
    "diverged": "diverged: a loss or gradient became NaN or infinite",
}


def final_table(run_dir: Path, console: Console | None = None) -> None:
    """Print status, speed, the best and last value of every metric, paths of files, and commands to run next.

    Keys missing from summary.json are left out; without the file, one line reports that.
    """
    console = console or Console()
    run_dir = shown(run_dir)
    try:
        summary = present(load_json(run_dir / "summary.json"))
    except (OSError, ValueError):
        summary = None
    if not isinstance(summary, Mapping):
        say(console, f"{run_dir} holds no summary of a run (summary.json).")
        return
    say(console)
    status = str(summary.get("status"))
    say(console, f"{run_dir.name}: {ENDINGS.get(status, status)}")
    for line in _totals(summary):
        say(console, line)
    if _group(summary, "metrics"):
        say(console)
        table = _table(summary, arrows=console.encoding.startswith("utf"))
        console.print(table, crop=False)
        for line in _facts(summary, arrows=console.encoding.startswith("utf")):
            say(console, line)
    places, commands = _places(run_dir), _commands(run_dir)
    if places:
        say(console)
    for name, place in places:
        say(console, f"{name:<14} {place}")
    say(console)
    say(console, f"To {', '.join(commands)}:")
    for command in commands.values():
        say(console, f"  {command}")


def say(console: Console, line: str = "") -> None:
    """Print a line verbatim: never wrapped, coloured or parsed as markup, so that paths and commands can be copied.

    Control characters, which a received file may hold, are escaped.
    """
    console.print(printable(line), soft_wrap=True, markup=False, highlight=False)


def shown(path: Path) -> Path:
    """Return the path as typed here: relative if it lies below the working directory."""
    path = Path(os.path.abspath(path))
    return path.relative_to(Path.cwd()) if path != Path.cwd() and path.is_relative_to(Path.cwd()) else path


def _totals(summary: Mapping[str, Any]) -> Iterable[str]:
    parts = [f"{n:,} {key}" for key in ("iterations", "images") if (n := number(summary.get(key))) is not None]
    if (seconds := number(summary.get("seconds"))) is not None:
        parts.append(duration(seconds))
    if (speed := number(summary.get("images_per_second"))) is not None:
        parts.append(f"{rate(speed)} images/s")
    if parts:
        yield "  ".join(parts)
    if parameters := _numbers(summary.get("parameters")):
        yield "parameters: " + ", ".join(f"{player} {count:,}" for player, count in parameters.items())


def _group(summary: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the dictionary under `key`; empty if there is none."""
    value = summary.get(key)
    return value if isinstance(value, Mapping) else {}


def _numbers(values: Any) -> dict[str, float]:
    """Return the finite numbers of a dictionary."""
    items = values.items() if isinstance(values, Mapping) else ()
    return {str(name): found for name, value in items if (found := number(value)) is not None}


def _table(summary: Mapping[str, Any], *, arrows: bool) -> Table:
    test, real = _group(summary, "test"), _about(summary).get("floor") or {}
    real = real if isinstance(real, Mapping) else {"fid": real}
    metrics = _group(summary, "metrics")
    scores = {name: _numbers(metrics[name]) for name in metrics}
    scores |= {name: {} for name in _numbers(test.get("last")) if name in METRICS and name not in scores}
    directions = {name: better_of(name, metrics.get(name)) for name in scores}
    # only columns that have content
    extra = {
        title: values
        for title, values in (
            ("floor", _numbers(real)),
            *_tests(_numbers(test.get("best")), _numbers(test.get("last"))),
            *(
                (f"test\n{printable(name)}", _numbers(values))
                for name, values in test.items()
                if name not in ("best", "last", "floor")
            ),
        )
        if any(name in values for name in scores)
    }
    known = any("last_se" in score for score in scores.values())
    rows = [["metric", "best", "at\niter.", "last", *(["±" if arrows else "+-"] if known else []), *extra]]
    for name, score in scores.items():
        iteration = score.get("best_iteration")
        at = "" if iteration is None else f"{iteration:,}"
        title = f"{printable(name)} {_arrow(directions[name], arrows)}".rstrip()
        last = [figure(score.get("last")), *([error_figure(score.get("last_se"))] if known else [])]
        others = (figure(values.get(name)) for values in extra.values())
        rows.append([title, figure(score.get("best")), at, *last, *others])
    table = Table(box=box.SIMPLE_HEAD if arrows else box.ASCII, padding=0, show_edge=False)
    for i, (title, *cells) in enumerate(zip(*rows, strict=True)):
        # never narrower than its content: a truncated figure would read as another figure
        width = max(map(len, [*title.split("\n"), *cells]))
        table.add_column(
            escape(title), justify="right" if i else "left", min_width=width, no_wrap=True, vertical="bottom"
        )
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    return table


def _tests(best: dict[str, float], last: dict[str, float]) -> list[tuple[str, dict[str, float]]]:
    """Return the columns of the test split; a single one if the last weights are the best."""
    return [("test", last)] if best == last else [("test\nbest", best), ("test\nlast", last)]


def _arrow(better: Better | None, arrows: bool) -> str:
    low, high = ("↓", "↑") if arrows else ("(low)", "(high)")
    return {None: "", "lower": low, "higher": high}[better]


def _about(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the protocol of the scores, kept under `evaluation`, or under `fid` in older runs."""
    return _group(summary, "evaluation") or _group(summary, "fid")


def _facts(summary: Mapping[str, Any], *, arrows: bool) -> Iterable[str]:
    about = _about(summary)
    parts = []
    if about.get("extractor"):
        parts.append(f"features: {about['extractor']}")
    if samples := number(about.get("samples")):
        against = f" against {about['reference']}" if about.get("reference") else ""
        parts.append(f"{samples:,} samples{against}")
    if parts:
        yield " " + "; ".join(parts)
    if about.get("floor"):
        count = number(about.get("floor_samples"))
        few = " (fewer than the generated ones: FID is biased upward)" if count and samples and count < samples else ""
        yield f" floor: {f'{count:,} ' if count else ''}held-out real samples in place of generated ones{few}"
    if summary.get("headline") == "accuracy" and (labels := number(about.get("labels"))) is not None:
        yield f" best: chosen by the accuracy on {labels:,} labelled validation samples"
    if any("last_se" in _numbers(score) for score in _group(summary, "metrics").values()):
        yield f" {'±' if arrows else '+-'}: standard error of the last, for this number of samples"


def _places(run_dir: Path) -> list[tuple[str, str]]:
    samples, checkpoints = run_dir / "samples", run_dir / "checkpoints"
    found = []
    for name, pattern in (
        ("last grid", "iteration-*.png"),
        ("last pairs", "reconstructions-*.png"),
        ("conversions", "conversions-*.png"),
        ("last outputs", "outputs-*.png"),
        *TRANSLATIONS,
    ):
        found += [(name, path) for path in sorted(samples.glob(pattern))[-1:]]
    found += [("animation", samples / "progress.gif"), ("interpolation", samples / "interpolation.png")]
    found += [("traversal", samples / "traversal.png"), ("chains", samples / "chains.png")]
    found += [("energy", samples / "energy.gif"), ("animation", samples / "outputs.gif")]
    found += [("curves", run_dir / "curves.png"), ("report", run_dir / "report.html")]
    found = [(name, path) for name, path in found if path.is_file()]
    places = [(name, str(path)) for name, path in found]
    kept = [name for name in ("best.ckpt", "last.ckpt") if (checkpoints / name).is_file()]
    if kept:
        places.append(("checkpoints", f"{checkpoints}{os.sep} ({', '.join(kept)})"))
    if (run_dir / "generator").is_dir():
        places.append(("generator", f"{run_dir / 'generator'}{os.sep}"))
    if (url := run_dir / "wandb" / "url.txt").is_file():
        with contextlib.suppress(OSError, ValueError):
            places.append(("W&B", read_text(url, 4000).strip()))
    return places


def _commands(run_dir: Path) -> dict[str, str]:
    """Return the commands that fit a run, by purpose."""
    commands = dict(abilities.commands(run_dir))
    runs = f"{run_dir.parent}{os.sep}" if run_dir.parent != Path() else "."
    commands["compare runs"] = f"python -m experiments.compare {shlex.quote(runs)}"
    if any((run_dir / "wandb").glob("offline-run-*")):
        commands["upload it to W&B"] = f"wandb sync {shlex.quote(str(run_dir / 'wandb'))}"
    return commands


def error_figure(value: float | None) -> str:
    """Format a standard error with two digits."""
    return "" if value is None else f"{value:.2g}"


def figure(value: float | None) -> str:
    """Format a number with four or more significant digits and thousands separators; empty for None."""
    if value is None:
        return ""
    if isinstance(value, int) or (abs(value) >= 1000 and abs(value) < 1e7):
        return f"{value:,.0f}"
    return f"{value:.4g}"
