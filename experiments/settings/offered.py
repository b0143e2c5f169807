"""The shipped choices of a group and what they choose, for suggestions in messages."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import experiments
from datamodules.catalogue import CATALOGUE
from experiments.settings.declarations import target

CONF = Path(experiments.__file__).parent / "conf"
# The parser in C takes a tenth of the time; PyYAML may have been built without it.
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@cache
def files(group: str) -> Mapping[str, Mapping[str, Any]]:
    """choice -> what its file holds, over those files of the group that it names in its defaults."""
    return {path.stem: _merged(group, path.stem) for path in sorted((CONF / group).glob("*.yaml"))}


def bases(group: str, choice: str, folders: tuple[Path, ...] = (CONF,)) -> tuple[str, ...]:
    """The choices of the same group that a file builds on, the nearest first."""
    defaults = _read(group, choice, folders).get("defaults", [])
    direct = [entry for entry in defaults if isinstance(entry, str) and entry.isidentifier() and entry != "_self_"]
    return tuple(base for name in direct for base in (name, *bases(group, name, folders)))


def usual_network(variant: str, folders: tuple[Path, ...] = (CONF,)) -> str:
    """The network of a variant without another choice: named as it is, or as it says, or else as what it builds on.

    Args:
        variant: a choice of the group.
        folders: of config groups.
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
    """The training of a variant in its paper: `epochs`, or `iterations` and `batch_size`; empty if unknown.

    A file that builds on another one is of another paper and inherits nothing.
    """
    found = _read("variant", variant, folders).get("paper", {})
    return found if isinstance(found, Mapping) else {}


def variant_class(variant: str) -> str:
    """The game that a variant plays; empty for a variant that is not shipped."""
    return target(files("variant").get(variant, {}).get("variant"))


def data_class(data: str) -> str:
    """The data module that a choice of data makes; empty for one that is not shipped."""
    return f"datamodules.{CATALOGUE[data].module}" if data in CATALOGUE else ""


def model_class(network: str) -> str:
    """The model that a network's file makes; empty where it makes none."""
    return target(files("network").get(network, {}).get("model"))


def discriminator_class(network: str) -> str:
    """The discriminator that a network's file makes; empty where it makes none by that name."""
    return target(files("network").get(network, {}).get("discriminator"))


def recipes(variant: str) -> Iterator[str]:
    """The data for which a variant has a recipe."""
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
