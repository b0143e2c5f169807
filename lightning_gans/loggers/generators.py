"""Exported generators as artifacts of Weights & Biases, and the copy of the best one until the end of the run."""

import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LONGEST_NAME = 128  # characters of an artifact's name


@dataclass(frozen=True)
class Export:
    """Exported generator: its folder, the iteration of its weights, and further facts (metrics, data ...)."""

    folder: Path
    iteration: int
    facts: dict[str, Any]


def artifact_name(run_dir: Path) -> str:
    """Return the name of a run's artifact: the name of its directory, in characters that W&B accepts."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", run_dir.absolute().name)[:LONGEST_NAME].strip("-.") or "generator"


def keep(export: Export, place: Path) -> None:
    """Copy an export to `place` atomically, replacing an earlier one."""
    fresh = place.with_name(f"{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(export.folder, fresh / "generator")
    facts = {**asdict(export), "folder": "generator"}
    (fresh / "export.json").write_text(json.dumps(finite(facts)), encoding="utf-8")
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


def kept(place: Path) -> Export | None:
    """Return the export that `keep` stored at `place`; None if there is none, or a damaged one."""
    try:
        found = json.loads((place / "export.json").read_text(encoding="utf-8"))
        export = Export(place / "generator", int(found["iteration"]), dict(found["facts"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return export if export.folder.is_dir() else None


def upload(run: Any, export: Export, name: str, aliases: Sequence[str]) -> None:
    """Log the whole folder of an export as an artifact of type "model".

    A copy is uploaded, since the next export replaces the files. Offline it is stored beside the run's other files
    until `wandb sync` reads it; W&B's own copies are in the user's home, without the name of their run.
    """
    import wandb

    metadata = finite({"iteration": export.iteration, **export.facts})
    artifact = wandb.Artifact(name, type="model", metadata=metadata)
    folder = export.folder
    if run.offline:
        folder = Path(run.settings.sync_dir) / "generators" / str(export.iteration)
        shutil.copytree(export.folder, folder, dirs_exist_ok=True)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        policy: Any = "immutable" if run.offline else "mutable"
        artifact.add_file(str(file), name=file.relative_to(folder).as_posix(), policy=policy)
    run.log_artifact(artifact, aliases=list(aliases))


def finite(value: Any) -> Any:
    """Replace NaN and infinity by null, for JSON."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
