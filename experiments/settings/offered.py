"""Shipped choices of each config group and their content, for suggestions in messages."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import experiments
from datamodules.catalogue import CATALOGUE
from experiments.settings.declarations import target

CONF = Path(experiments.__file__).parent / "conf"
# The C parser is ten times as fast; PyYAML may have been built without it.
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def files(group: str) -> Mapping[str, Mapping[str, Any]]:
    """Map each choice to the content of its file, merged over the files of the group that its defaults list names."""
    return {path.stem: _merged(group, path.stem) for path in sorted((CONF / group).glob("*.yaml"))}


def bases(group: str, choice: str, folders: tuple[Path, ...] = (CONF,)) -> tuple[str, ...]:
    """Return the choices of the same group that a file extends, the nearest first."""
    defaults = _read(group, choice, folders).get("defaults", [])
    direct = [entry for entry in defaults if isinstance(entry, str) and entry.isidentifier() and entry != "_self_"]
    return tuple(base for name in direct for base in (name, *bases(group, name, folders)))


def usual_network(variant: str, folders: tuple[Path, ...] = (CONF,)) -> str:
    """Return the default network of a variant: the one its file names, else that of its own name, else its base file's.

    Args:
        variant: a choice of the group.
        folders: folders with config groups.
    """
    for name in (variant, *bases("variant", variant, folders)):
        file = _read("variant", name, folders)
        entries = [entry for entry in file.get("defaults", []) if isinstance(entry, Mapping)]
        said = [file.get("usual_network"), *(entry.get("override /network") for entry in entries)]
        chosen = next((network for network in said if isinstance(network, str)), name)
        if _read("network", chosen, folders):
            return chosen
    return ""


def paper(variant: str, folders: tuple[Path, ...] = (CONF,)) -> Mapping[str, int]:
    """Return the length of training in a variant's paper: `epochs`, or `iterations` and `batch_size`; empty if unknown.

    A file that extends another one belongs to another paper and inherits no value.
    """
    found = _read("variant", variant, folders).get("paper", {})
    return found if isinstance(found, Mapping) else {}


def variant_class(variant: str) -> str:
    """Return the class of a variant's game; empty for a variant that is not shipped."""
    return target(files("variant").get(variant, {}).get("variant"))


def data_class(data: str) -> str:
    """Return the class of the data module of a choice of data; empty for one that is not shipped."""
    return f"datamodules.{CATALOGUE[data].module}" if data in CATALOGUE else ""


def model_class(network: str) -> str:
    """Return the class of the model in a network's file; empty if there is none."""
    return target(files("network").get(network, {}).get("model"))


def discriminator_class(network: str) -> str:
    """Return the class of the discriminator in a network's file; empty if there is none."""
    return target(files("network").get(network, {}).get("discriminator"))


def recipes(variant: str) -> Iterator[str]:
    """Yield the choices of data for which a variant has a recipe."""
    yield from (path.stem for path in sorted((CONF / "recipe" / variant).glob("*.yaml")))


def _merged(group: str, choice: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in (*reversed(bases(group, choice)), choice):
        found = _over(found, _read(group, name))
    return found


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def _read(group: str, choice: str, folders: tuple[Path, ...] = (CONF,)) -> Mapping[str, Any]:
    there = (folder / group / f"{choice}.yaml" for folder in folders)
    return next((_loaded(path) for path in there if path.is_file()), {})


@cache
def _loaded(path: Path) -> Mapping[str, Any]:
    found = yaml.load(path.read_text(), Loader=SAFE_LOADER)
    return found if isinstance(found, Mapping) else {}
