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
    """An exported generator: its folder, the iteration of its weights, and facts beside it (metrics, data ...)."""

    folder: Path
    iteration: int
    facts: dict[str, Any]


def artifact_name(run_dir: Path) -> str:
    """The name of a run's artifact: that of its directory, in the characters that W&B takes."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", run_dir.absolute().name)[:LONGEST_NAME].strip("-.") or "generator"


def keep(export: Export, place: Path) -> None:
    """Copy an export to `place`, in the place of the one that is there; whole or not at all."""
    fresh = place.with_name(f"{place.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(export.folder, fresh / "generator")
    facts = {**asdict(export), "folder": "generator"}
    (fresh / "export.json").write_text(json.dumps(finite(facts)), encoding="utf-8")
    shutil.rmtree(place, ignore_errors=True)
    fresh.rename(place)


def kept(place: Path) -> Export | None:
    """The export that `keep` left at `place`; None where there is none, or a damaged one."""
    try:
        found = json.loads((place / "export.json").read_text(encoding="utf-8"))
        export = Export(place / "generator", int(found["iteration"]), dict(found["facts"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return export if export.folder.is_dir() else None


def upload(run: Any, export: Export, name: str, aliases: Sequence[str]) -> None:
    """Log the whole folder of an export as an artifact of type "model"."""
    import wandb

    metadata = finite({"iteration": export.iteration, **export.facts})
    artifact = wandb.Artifact(name, type="model", metadata=metadata)
    for file in sorted(path for path in export.folder.rglob("*") if path.is_file()):
        # a copy is taken: the next export takes the place of these files
        artifact.add_file(str(file), name=file.relative_to(export.folder).as_posix())
    run.log_artifact(artifact, aliases=list(aliases))


def finite(value: Any) -> Any:
    """The same as JSON knows it: NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
