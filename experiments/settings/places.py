"""Folders in a run's settings: the settings that name one, their location, and a check that they exist."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path as Folder
from typing import Any

from datamodules.catalogue import CATALOGUE
from experiments.settings.declarations import target
from experiments.settings.signatures import Argument, signature
from experiments.settings.spec import Optional, Path, Spec, Text
from lightning_gans.core.errors import UserError


def places(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value) of the settings that give the location of a run's data.

    These are data_dir, the paths among the settings of the data module, and names of data sets (data.a) that are
    replaced by a folder.
    """
    if isinstance(config.get("data_dir"), str):
        yield "data_dir", config["data_dir"]
    data = config.get("data")
    for name, argument in arguments(data).items():
        value = data.get(name) if isinstance(data, Mapping) else None
        is_path = isinstance(_spec(argument), Path) and isinstance(value, str | int) and not isinstance(value, bool)
        if (is_path and value != "") or _is_folder(argument, value):
            yield f"data.{name}", str(value)


def needed(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, value) of the folders that have to exist, as written in the settings."""
    data = config.get("data")
    for name, argument in arguments(data).items():
        spec, value = _spec(argument), data.get(name) if isinstance(data, Mapping) else None
        if value is not None and ((isinstance(spec, Path) and spec.exists) or _is_folder(argument, value)):
            yield f"data.{name}", str(value)


def named_folders(config: Mapping[str, Any]) -> list[str]:
    """Return the dotted keys that hold a folder in place of the name of a data set: data.a=photos/."""
    data = config.get("data")
    values = data if isinstance(data, Mapping) else {}
    return [f"data.{name}" for name, argument in arguments(data).items() if _is_folder(argument, values.get(name))]


def arguments(data: Any) -> Mapping[str, Argument]:
    """Return the settings of a data module by name; empty if its source cannot be read."""
    taken = signature(target(data))
    return taken.settings if taken is not None else {}


def absolute(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with every data folder as an absolute path, resolved from the working directory."""
    return replaced(config, {key: os.path.abspath(os.path.expanduser(value)) for key, value in places(config)})


def found(config: Mapping[str, Any], run: Folder) -> dict[str, Any]:
    """Return the settings with relative data folders that do not exist here resolved from the run's original directory.

    The original directory is the one from which the run's relative `run_dir` leads to its present location.
    """
    said, real = config.get("run_dir"), run.resolve()
    parts = Folder(said).parts if isinstance(said, str) and not Folder(said).is_absolute() else ()
    if not parts or ".." in parts or real.parts[-len(parts) :] != parts:
        return dict(config)
    made_in = Folder(*real.parts[: -len(parts)])
    there = {
        key: str(made_in / value)
        for key, value in places(config)
        if not Folder(value).expanduser().exists() and (made_in / value).exists()
    }
    return replaced(config, there)


def replaced(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with new values for top-level keys and for keys of the data (data.root)."""
    top = {key: value for key, value in values.items() if "." not in key}
    of_data = {key.partition(".")[2]: value for key, value in values.items() if "." in key}
    return {**config, **top} | ({"data": {**config["data"], **of_data}} if of_data else {})


def check(config: Mapping[str, Any]) -> None:
    """Refuse a run whose data folder does not exist.

    Raises:
        UserError: the folder is missing; the message names the setting and the folder.
    """
    for key, value in needed(config):
        if not Folder(value).expanduser().is_dir():
            raise UserError(f"{key}={value} is not a folder. Say {key}=DIR with one that holds the files.")


def check_of_run(config: Mapping[str, Any], run: Folder) -> None:
    """Refuse to read the data of a recorded run whose data folder no longer exists.

    Raises:
        UserError: the folder is missing; the message names the setting and the folder.
    """
    for key, value in needed(config):
        folder = Folder(value).expanduser()
        if not folder.is_dir():
            seen = "" if folder.is_absolute() else f", seen from {Folder.cwd()},"
            raise UserError(
                f"The data of run={run} lie in {key}={value}, which{seen} is no folder now. Say {key}=DIR with the "
                "folder that holds them."
            )


def _spec(argument: Argument) -> Spec:
    spec = argument.spec
    return spec.spec if isinstance(spec, Optional) else spec


def _is_folder(argument: Argument, value: Any) -> bool:
    """Return True if a value that may be the name of a data set is a folder."""
    takes_sets = type(_spec(argument)) is Text and (argument.default is None or argument.default in CATALOGUE)
    if not takes_sets or not isinstance(value, str) or not value or value in CATALOGUE:
        return False
    return os.sep in value or value.startswith("~") or Folder(value).is_dir()
