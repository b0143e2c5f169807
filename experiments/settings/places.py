"""Folders in a run's settings: which settings name one, where they lie, and whether they are there."""

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
    """(dotted key, value) of the settings of a run that say where its data lie.

    Those are data_dir, the paths among the settings of the data module, and its names of data sets (data.a) where a
    folder stands in the place of a name.
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
    """(dotted key, value) of the folders that have to be there, as they stand in the settings."""
    data = config.get("data")
    for name, argument in arguments(data).items():
        spec, value = _spec(argument), data.get(name) if isinstance(data, Mapping) else None
        if value is not None and ((isinstance(spec, Path) and spec.exists) or _is_folder(argument, value)):
            yield f"data.{name}", str(value)


def named_folders(config: Mapping[str, Any]) -> list[str]:
    """The dotted keys of folders that stand in the place of the name of a data set: data.a=photos/."""
    data = config.get("data")
    values = data if isinstance(data, Mapping) else {}
    return [f"data.{name}" for name, argument in arguments(data).items() if _is_folder(argument, values.get(name))]


def arguments(data: Any) -> Mapping[str, Argument]:
    """The settings of a data module by name; none of one whose source cannot be read."""
    taken = signature(target(data))
    return taken.settings if taken is not None else {}


def absolute(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run with every folder of its data absolute, as seen from the working directory."""
    return replaced(config, {key: os.path.abspath(os.path.expanduser(value)) for key, value in places(config)})


def found(config: Mapping[str, Any], run: Folder) -> dict[str, Any]:
    """The settings of a run whose relative folders are not here, from the folder where the run was made.

    That folder is the one from which the run's own relative `run_dir` leads to where the run lies.
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
    """The settings with other values of top-level keys, and of those of the data (data.root)."""
    top = {key: value for key, value in values.items() if "." not in key}
    of_data = {key.partition(".")[2]: value for key, value in values.items() if "." in key}
    return {**config, **top} | ({"data": {**config["data"], **of_data}} if of_data else {})


def check(config: Mapping[str, Any]) -> None:
    """Refuse a run whose data lie in a folder that is not there.

    Raises:
        UserError: names the setting and the folder.
    """
    for key, value in needed(config):
        if not Folder(value).expanduser().is_dir():
            raise UserError(f"{key}={value} is not a folder. Say {key}=DIR with one that holds the files.")


def check_of_run(config: Mapping[str, Any], run: Folder) -> None:
    """Refuse to read the data of a run whose folder is not there any more.

    Raises:
        UserError: names the setting and the folder.
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
    """Return True if a text that may be the name of a data set is a folder."""
    takes_sets = type(_spec(argument)) is Text and (argument.default is None or argument.default in CATALOGUE)
    if not takes_sets or not isinstance(value, str) or not value or value in CATALOGUE:
        return False
    return os.sep in value or value.startswith("~") or Folder(value).is_dir()
