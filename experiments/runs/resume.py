"""State of a run's directory, and the check for resumption; reads plain files and runs before torch is imported."""

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from experiments.jobs.launch import processes
from experiments.runs import directory as runs
from experiments.settings import places
from experiments.settings.spec import plain
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.checkpoints import DamagedCheckpoint, newest_intact, verify
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import check_folder

# Settings that may differ when a run is resumed: paths, monitoring and devices. Noise and data order are generated for
# the global batch, so they do not depend on the devices. The number of processes must stay the same.
FREE = (
    "names",
    "group",
    "run_dir",
    "data_dir",
    "resume",
    "logger",
    "callbacks",
    "measures",
    "pictures",
    "data.root",
    "data.download",
    "data.workers",
    "trainer",
)
BINDING = ("trainer.precision",)
SHOWN = 6
MISSING = object()


@dataclass(frozen=True)
class Resume:
    """The start mode of a run.

    Attributes:
        mode: "new", or "continue" from `checkpoint`; "finished" and "diverged" runs have nothing left to do.
        damaged: reason why `checkpoint` replaces a damaged one; None otherwise.
        newest: last iteration found in the run's files, if `damaged` is set.
    """

    mode: Literal["new", "continue", "finished", "diverged"]
    checkpoint: Path | None = None
    damaged: str | None = None
    newest: int = 0


class DivergedBefore(UserError):
    """The directory holds a run that diverged and would diverge again."""


class Difference(NamedTuple):
    """Two values of a dotted key; MISSING in place of an absent one."""

    key: str
    there: Any
    here: Any

    def __str__(self) -> str:
        there, here = ("not set" if value is MISSING else plain(value) for value in (self.there, self.here))
        return f"{self.key}: {there} there, {here} here"


def of_continued(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the recorded configuration of the run that `config` continues; None for a new run or an unreadable file.

    Args:
        config: resolved, with its `run_dir`.
    """
    resume = str(config.get("resume", "auto"))
    folder = Path(str(config["run_dir"])) if resume in ("auto", "never") else Path(resume).expanduser().parent.parent
    try:
        return runs.read_config(folder) if folder.is_dir() else None
    except UserError:
        return None  # reported by check_resume


def recorded(config: Mapping[str, Any], defaults: Collection[str]) -> dict[str, Any]:
    """Return the configuration with recorded values of the resumed run for settings that are not given now.

    A constructor's default may have changed since; the run continues with the default under which it started.

    Args:
        config: resolved, with its `run_dir`.
        defaults: dotted keys whose values are the constructors' defaults.
    """
    there = dict(flatten(of_continued(config) or {}))
    kept = {key: there[key] for key in defaults if key in there}
    return _replaced(config, kept) if kept else dict(config)


def _replaced(config: Mapping[str, Any], values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    return {
        key: _replaced(value, values, f"{prefix}{key}.")
        if isinstance(value, Mapping)
        else values.get(f"{prefix}{key}", value)
        for key, value in config.items()
    }


def check_resume(
    config: Mapping[str, Any],
    run_dir: str | os.PathLike[str],
    *,
    leads: bool = True,
    defaults: Collection[str] = (),
) -> Resume:
    """Return how a run with this resolved configuration starts in `run_dir`, new or resumed, or refuse it.

    Args:
        leads: False on all processes but the first: they may find a run that the first one has just started.
        defaults: dotted keys whose values are constructors' defaults; older runs may not have recorded them.

    Raises:
        UserError: the folder is not writable, holds another configuration, or has no intact checkpoint; `resume` is
            "never" or gives no intact checkpoint; `init_from` gives none.
        DivergedBefore: the run there diverged.
    """
    check_folder(Path(run_dir))
    found = _beginning(config, Path(run_dir), defaults, leads=leads)
    if found.mode == "new" and config.get("init_from"):
        check_source(Path(str(config["init_from"])))
    return found


def _beginning(config: Mapping[str, Any], run_dir: Path, defaults: Collection[str], *, leads: bool) -> Resume:
    resume = str(config.get("resume", "auto"))
    check_writable(run_dir)
    start = None if resume in ("auto", "never") else _checkpoint(resume)
    if resume == "never" and leads and (run_dir / runs.CONFIG).exists():
        raise UserError(
            f"{run_dir} holds a run already and resume=never overwrites nothing. Choose another run_dir=, or continue "
            "it with resume=auto."
        )
    if not has_begun(run_dir):
        _refuse_foreign(run_dir)
        return Resume("new") if start is None else _other(config, start, defaults)
    checkpoints = runs.checkpoints(run_dir)
    stored = _stored(run_dir, checkpoints)
    if stored is None:
        if checkpoints:
            raise UserError(
                f"{run_dir} holds checkpoints and no {runs.CONFIG} to say of what. Choose another run_dir, or start "
                f"from them: resume={checkpoints[0]}."
            )
        return Resume("new") if start is None else _other(config, start, defaults)
    try:
        summary = runs.read_summary(run_dir)
    except UserError:
        summary = None  # the checkpoint holds everything needed
    _refuse_differences(
        config, stored, run_dir, defaults, finished=summary is not None and summary.status == "finished"
    )
    if start is not None:
        _refuse_other_processes(config, stored, run_dir, start)
        return Resume("continue", start)
    if _is_done(run_dir, summary, config["iterations"]):
        return Resume("finished")
    if summary is not None and summary.status == "diverged":
        raise DivergedBefore(_diverged(run_dir, run_dir / runs.LAST))
    found = _newest_intact(run_dir, checkpoints)
    if found.checkpoint is not None:
        _refuse_other_processes(config, stored, run_dir, found.checkpoint)
    return found


def has_begun(run_dir: Path) -> bool:
    """Return True if a file in `run_dir` shows that an iteration has run; otherwise any run may use the folder."""
    try:
        summary = runs.read_summary(run_dir)
    except UserError:
        summary = None
    return bool(
        runs.checkpoints(run_dir)
        or (run_dir / runs.EXPORT).exists()
        or (summary is not None and summary.status in ("finished", "diverged"))
        or runs.newest_iteration(run_dir)
    )


def _is_done(run_dir: Path, summary: runs.Summary | None, iterations: int) -> bool:
    """Return True if the run is complete; missing exported weights are remade from the last checkpoint."""
    if summary is None or summary.status != "finished" or iterations > summary.iterations:
        return False
    export = run_dir / runs.EXPORT
    return iterations < summary.iterations or not export.is_dir() or (export / runs.WEIGHTS).is_file()


def _newest_intact(run_dir: Path, checkpoints: list[Path]) -> Resume:
    """Continue from last.ckpt or, if it is damaged or missing, from the newest intact checkpoint."""
    last = run_dir / runs.LAST
    found, damaged = newest_intact(checkpoints)
    if found == last:
        return Resume("continue", last)
    reasons = [f"{path.name} ({error.why})" for path, error in zip(checkpoints, damaged, strict=False)]
    if last not in checkpoints:
        reasons.insert(0, f"{last.name} (it is not there)")
    if found is not None:
        return Resume("continue", found, damaged=", ".join(reasons), newest=runs.newest_iteration(run_dir))
    if not checkpoints and not (run_dir / runs.EXPORT).exists():
        return Resume("new")  # killed before the first one was written
    raise UserError(
        f"{run_dir} holds a run without an intact checkpoint: {', '.join(reasons)}. Nothing there was changed. Restore "
        f"one of them from a backup, or begin again: choose another run_dir=, or delete {run_dir}."
    )


def _other(config: Mapping[str, Any], start: Path, defaults: Collection[str]) -> Resume:
    """Continue the run of another folder from its checkpoint."""
    stored = _stored(start.parent.parent, None)
    _refuse_differences(config, config if stored is None else stored, start, defaults, finished=True)
    return Resume("continue", start)


def _stored(run_dir: Path, checkpoints: list[Path] | None) -> Mapping[str, Any] | None:
    """Return the configuration of the run in `run_dir`, None if there is none.

    Raises:
        UserError: it cannot be read, and there are `checkpoints` that need it.
    """
    try:
        return runs.read_config(run_dir)
    except UserError as error:
        if checkpoints is None:
            return None
        found, _ = newest_intact(checkpoints)
        how = f", or continue in another folder from its checkpoint: run_dir=NEW resume={found}" if found else ""
        raise UserError(
            f"{str(error).partition('. Restore it')[0]}; without it nothing says that this command continues the run "
            f"there. Restore it from a backup{how}."
        ) from error


def _refuse_foreign(run_dir: Path) -> None:
    """Refuse a folder whose config.yaml belongs to another program."""
    if (run_dir / runs.COMMAND).exists():
        return
    try:
        stored = runs.read_config(run_dir)
    except UserError:
        stored = {} if (run_dir / runs.CONFIG).stat().st_size else None
    if stored is not None and not {"variant", "iterations", "run_dir"} <= stored.keys():
        raise UserError(
            f"{run_dir} holds a {runs.CONFIG} that no run has written, and a run would overwrite it. Choose another "
            "run_dir=, or move it away."
        )


def check_source(source: Path) -> None:
    """Refuse an `init_from=` that provides no weights.

    Raises:
        UserError: the path does not exist, is not a checkpoint, or is a damaged one.
    """
    try:
        verify(source_of(source))
    except DamagedCheckpoint as error:
        others, _ = newest_intact(runs.checkpoints(source)) if source.is_dir() else (None, [])
        hint = f" {others} is intact: init_from={others}." if others else ""
        raise UserError(f"init_from={source}: {error} No run was begun.{hint}") from error


def source_of(source: Path) -> Path:
    """Return the checkpoint given by `init_from=`.

    Raises:
        UserError: there is none.
    """
    source = source.expanduser()
    check_folder(source)
    path = source / runs.LAST if source.is_dir() else source
    if path.is_file():
        return path
    others = runs.checkpoints(source)
    hint = f" Its newest one is init_from={others[0]}." if others else ""
    if (source / "model.yaml").is_file():
        hint = " An exported generator has no weights of the other players."
    raise UserError(f"init_from={source}: no checkpoint there; name a run's folder or a .ckpt file.{hint}")


def differences(config: Mapping[str, Any], stored: Mapping[str, Any]) -> list[Difference]:
    """Return the settings that must not differ when a run is resumed but do, including those derived from `iterations`.

    Data folders are compared as absolute paths, the form in config.yaml. Older versions recorded trainer.precision=auto
    for the choice that is null now.
    """
    here, there = dict(flatten(places.absolute(config))), dict(flatten(places.absolute(stored)))
    budget = there.get("iterations"), here.get("iterations")
    found = []
    for key in [*here, *(key for key in there if key not in here)]:
        pair = there.get(key, MISSING), here.get(key, MISSING)
        # A setting introduced after the run started, and not used, is not a difference.
        unused = pair in ((MISSING, None), (None, MISSING))
        older = key == "trainer.precision" and pair == ("auto", None) and "names.precision" not in there
        if pair[0] == pair[1] or unused or older or is_free(key) or (pair == budget and key != "iterations"):
            continue
        found.append(Difference(key, *pair))
    return found


def is_free(key: str) -> bool:
    return key not in BINDING and any(key == free or key.startswith(f"{free}.") for free in FREE)


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) of every leaf; an empty group counts as a leaf."""
    if isinstance(config, Mapping) and (config or not prefix):
        for key, value in config.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, config


def check_writable(folder: Path, setting: str | None = None) -> None:
    """Refuse a folder that is not writable.

    Args:
        folder: the folder, which need not exist yet.
        setting: the setting as messages show it ("out=scores.json"); None: run_dir=FOLDER.

    Raises:
        UserError: a file is in the way, or permission is missing.
    """
    setting = setting or f"run_dir={folder}"
    place = folder.absolute()
    while not os.path.lexists(place):
        place = place.parent
    if not place.is_dir():
        what = "a link to nowhere" if place.is_symlink() and not place.exists() else "a file"
        raise UserError(f"{setting}: {place} is {what}, not a folder. Choose another {setting.partition('=')[0]}.")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{setting}: no permission to write in {place}. Choose a folder you may write to.")


def _checkpoint(resume: str) -> Path:
    path = Path(resume).expanduser()
    if path.is_file():
        verify(path)
        return path
    if path.is_dir():
        inside = next((p for p in (path / runs.LAST, path / runs.LAST.name) if p.is_file()), path / runs.LAST)
        raise UserError(f"resume={resume} is a folder. Name the checkpoint: resume={inside}.")
    hint = did_you_mean(f"resume={word}" for word in nearest(resume, ("auto", "never")))
    raise UserError(
        f"resume={resume}: there is no such file.{hint} It is auto (continue what run_dir holds), never (overwrite "
        "nothing) or the path of a .ckpt file."
    )


def _refuse_differences(
    config: Mapping[str, Any], stored: Mapping[str, Any], source: Path, defaults: Collection[str], *, finished: bool
) -> None:
    found = [
        difference
        for difference in differences(config, stored)
        if difference.there is not MISSING or difference.key not in defaults
    ]
    more = next((d for d in found if d.key == "iterations"), None)
    if more is not None and (_larger(more) or finished):
        found.remove(more)
    if found:
        rest = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        hint = "Only a larger iterations continues a run. " if more in found else ""
        if "recipe" not in stored.get("names", {"recipe": ""}):
            hint += (
                "It began before recipes were chosen by the nearest data: to continue it, add recipe=none run_dir="
                f"{source}. "
            )
        raise UserError(
            f"{source} {'is' if source.is_file() else 'holds'} a run with another configuration "
            f"({'; '.join(map(str, found[:SHOWN]))}{rest}). {hint}Choose another run_dir=, or start a new run from its "
            f"weights with init_from={source}."
        )


def _refuse_other_processes(
    config: Mapping[str, Any], stored: Mapping[str, Any], run_dir: Path, checkpoint: Path
) -> None:
    """Refuse to resume with another number of processes; a run started with trainer.devices=auto accepts any."""
    there, here = (_processes(one.get("trainer")) for one in (stored, config))
    if there is None or there == here:
        return
    begun: Mapping[str, Any] = stored["trainer"]
    several = f" trainer.num_nodes={begun['num_nodes']}" if begun["num_nodes"] != 1 else ""
    asked = "any number (trainer.devices=auto)" if here is None else str(here)
    raise UserError(
        f"{run_dir} holds a run of {there} {'process' if there == 1 else 'processes'}, and this command is one of "
        f"{asked}. The weights depend on the number: each process computes batch norm's statistics on its own share "
        f"of the batch, and sums of gradients are rounded differently. Say trainer.devices={plain(begun['devices'])}"
        f"{several}, or let another run go on from here with its own number: run_dir=NEW resume={checkpoint}."
    )


def _processes(trainer: Any) -> int | None:
    known = isinstance(trainer, Mapping) and {"devices", "num_nodes"} <= trainer.keys()
    return processes(trainer) if known else None


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
