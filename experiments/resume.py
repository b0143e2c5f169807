"""What a run directory holds, and whether this command may go on with it; from plain files, before anything heavy."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from experiments import runs
from experiments.schemas.spec import plain
from experiments.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

# May differ when a run goes on: where things lie, what watches the run, and what it runs on. Noise and data order are
# made for the global batch, so they do not depend on the devices.
FREE = (
    "names",
    "group",
    "run_dir",
    "data_dir",
    "resume",
    "logger",
    "callbacks",
    "data.root",
    "data.download",
    "data.workers",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.threads",
    "trainer.log_every",
)
SHOWN = 6
MISSING = object()


@dataclass(frozen=True)
class Resume:
    """mode: "new", or "continue" from `checkpoint`; "finished" and "diverged" runs have nothing left to do."""

    mode: Literal["new", "continue", "finished", "diverged"]
    checkpoint: Path | None = None


class DivergedBefore(UserError):
    """The directory holds a run that diverged, and would diverge again."""


class Difference(NamedTuple):
    """Values of a dotted key; MISSING where it is not there."""

    key: str
    there: Any
    here: Any

    def __str__(self) -> str:
        there, here = ("not set" if value is MISSING else plain(value) for value in (self.there, self.here))
        return f"{self.key}: {there} there, {here} here"


def check_resume(config: Mapping[str, Any], run_dir: str | os.PathLike[str], *, leads: bool = True) -> Resume:
    """How a run with this resolved configuration begins in `run_dir`.

    Args:
        leads: False on other processes than the first, which find what the first one has just begun.

    Raises:
        UserError: the folder cannot be written to or holds another configuration; `resume` says never, or names no
            checkpoint.
        DivergedBefore: the run there diverged.
    """
    run_dir, resume = Path(run_dir), str(config.get("resume", "auto"))
    check_writable(run_dir)
    start = None if resume in ("auto", "never") else _checkpoint(resume)
    stored = runs.read_config(run_dir)
    last = run_dir / runs.LAST
    if stored is None:
        if last.exists():
            raise UserError(
                f"{run_dir} holds checkpoints and no {runs.CONFIG} to say of what. Choose another run_dir, or start "
                f"from them: resume={last}."
            )
        if start is None:
            return Resume("new")
        _refuse_differences(config, runs.read_config(start.parent.parent) or config, start, finished=True)
        return Resume("continue", start)
    if resume == "never" and leads:
        raise UserError(
            f"{run_dir} holds a run already and resume=never overwrites nothing. Choose another run_dir=, or continue "
            "it with resume=auto."
        )
    summary = runs.read_summary(run_dir)
    _refuse_differences(config, stored, run_dir, finished=summary is not None and summary.status == "finished")
    if start is not None:
        return Resume("continue", start)
    if leads and summary is not None and summary.status == "finished" and config["iterations"] <= summary.iterations:
        return Resume("finished")
    if leads and summary is not None and summary.status == "diverged":
        raise DivergedBefore(_diverged(run_dir, last))
    return Resume("continue", last) if last.is_file() else Resume("new")


def differences(config: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Difference]:
    """What a run may not change when it goes on; settings that follow `iterations` count with it."""
    here, there = dict(flatten(config)), dict(flatten(stored))
    budget = there.get("iterations"), here.get("iterations")
    found = []
    for key in [*here, *(key for key in there if key not in here)]:
        pair = there.get(key, MISSING), here.get(key, MISSING)
        # A setting that came after the run was begun, and is not made use of, is no difference.
        unused = pair in ((MISSING, None), (None, MISSING))
        if pair[0] == pair[1] or unused or is_free(key) or (pair == budget and key != "iterations"):
            continue
        found.append(Difference(key, *pair))
    return found


def is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf; an empty group is one."""
    if isinstance(config, Mapping) and (config or not prefix):
        for key, value in config.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, config


def check_writable(run_dir: Path) -> None:
    """Refuse a place where a run cannot be written.

    Raises:
        UserError: a file is in the way, or permission is missing.
    """
    place = run_dir.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        what = "a link to nowhere" if place.is_symlink() and not place.exists() else "a file"
        raise UserError(f"run_dir={run_dir}: {place} is {what}, not a folder. Choose another run_dir.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"run_dir={run_dir}: no permission to write in {place}. Choose a folder you may write to.")


def _checkpoint(resume: str) -> Path:
    path = Path(resume).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        inside = next((p for p in (path / runs.LAST, path / runs.LAST.name) if p.is_file()), path / runs.LAST)
        raise UserError(f"resume={resume} is a folder. Name the checkpoint: resume={inside}.")
    hint = did_you_mean(f"resume={word}" for word in nearest(resume, ("auto", "never")))
    raise UserError(
        f"resume={resume}: there is no such file.{hint} It is auto (continue what run_dir holds), never (overwrite "
        "nothing) or the path of a .ckpt file."
    )


def _refuse_differences(config: Mapping[str, Any], stored: Mapping[str, Any], source: Path, *, finished: bool) -> None:
    found = differences(config, stored)
    more = next((d for d in found if d.key == "iterations"), None)
    if more is not None and (_larger(more) or finished):
        found.remove(more)
    if found:
        rest = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        hint = "Only a larger iterations continues a run. " if more in found else ""
        raise UserError(
            f"{source} {'is' if source.is_file() else 'holds'} a run with another configuration "
            f"({'; '.join(map(str, found[:SHOWN]))}{rest}). {hint}Choose another run_dir=, or start a new run from its "
            f"weights with init_from={source}."
        )


def _larger(more: Difference) -> bool:
    return isinstance(more.there, int) and isinstance(more.here, int) and more.here > more.there


def _diverged(run_dir: Path, last: Path) -> str:
    again = f" To try the same steps once more from the last good checkpoint: resume={last}." if last.is_file() else ""
    return (
        f"The run in {run_dir} diverged: a batch, a loss or a gradient was no longer finite. A run is deterministic, "
        "so the same command would end the same way. Change what the run named as the cause when it ended, for example "
        "variant.training.players.<player>.optimizer.lr= of the player to blame, and give it another "
        f"run_dir=.{again}"
    )
