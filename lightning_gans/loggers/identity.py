"""Identity of a run in Weights & Biases: id, name and tags, from settings, the environment and the run's choices."""

import logging
import os
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning_gans.core.files import write_atomically

log = logging.getLogger(__name__)

PROJECT = "lightning-gans"
LONGEST_TAG = 64  # characters, W&B's limit
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")  # valid for W&B and every file system

# "VARIABLE=value" -> the run directory of this process that uses it.
_taken: dict[str, Path] = {}


def chosen(setting: str | None, variable: str, default: str | None = None) -> str | None:
    """Return an explicit setting, else the environment variable, else the default."""
    return setting if setting is not None else os.environ.get(variable, "").strip() or default


def for_one_run(variable: str, run_dir: Path) -> str | None:
    """Return a variable that describes one run (WANDB_RUN_ID, WANDB_NAME), for the first run of this process only.

    Other runs of the process would otherwise be logged as the same W&B run. A changed value can be used again.
    """
    value = os.environ.get(variable, "").strip()
    if not value:
        return None
    here = run_dir.absolute()
    return value if _taken.setdefault(f"{variable}={value}", here) == here else None


def pinned_id(run_dir: Path) -> str:
    """Return the W&B id of this run directory: from wandb/id.txt, else WANDB_RUN_ID, else a new one, which is written.

    A damaged id.txt is replaced, which loses the common history but not the logging.
    """
    file = run_dir / "wandb" / "id.txt"
    known = file.read_text(errors="replace").strip() if file.is_file() else ""
    if _ID.fullmatch(known):
        return known
    found = for_one_run("WANDB_RUN_ID", run_dir)
    if found is not None and not _ID.fullmatch(found):
        log.warning(
            "WANDB_RUN_ID=%s is ignored: an id holds letters, digits and _, - or . alone. The run has a new id.",
            found,
        )
        found = None
    if found is None:
        found = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(8))
    write_atomically(file, f"{found}\n")
    return found


def tags_of(given: Sequence[str] | None, config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return variant, data and objective of the run as tags, then the user's own: the setting, else WANDB_TAGS."""
    own = os.environ.get("WANDB_TAGS", "").split(",") if given is None else given
    tags = [str(tag).strip()[:LONGEST_TAG] for tag in (*_choices(config), *own)]
    return tuple(dict.fromkeys(tag for tag in tags if tag))


def _choices(config: Mapping[str, Any]) -> list[str]:
    """Return the choices by which runs are compared; the objective only for games that have one."""
    choices, variant = config.get("choices"), config.get("variant")
    if not isinstance(choices, Mapping):
        return []
    names = ["variant", "data"]
    if isinstance(variant, Mapping) and variant.get("loss") and variant["loss"] == config.get("objective"):
        names.append("objective")
    return [str(choices[name]) for name in names if name in choices]
