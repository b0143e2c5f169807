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


@cache
def files(group: str) -> Mapping[str, Mapping[str, Any]]:
    """choice -> what its file holds, over those files of the group that it names in its defaults."""
    return {path.stem: _merged(group, path.stem) for path in sorted((CONF / group).glob("*.yaml"))}


def networks() -> Iterator[str]:
    """The networks, but for those whose file stands for another one."""
    yield from (name for name in files("network") if set(_read("network", name)) - {"defaults"})


@cache
def bases(group: str, choice: str) -> tuple[str, ...]:
    """The choices of the same group that a file builds on, the nearest first."""
    defaults = _read(group, choice).get("defaults", [])
    direct = [entry for entry in defaults if isinstance(entry, str) and entry.isidentifier() and entry != "_self_"]
    return tuple(base for name in direct for base in (name, *bases(group, name)))


def usual_network(variant: str) -> str:
    """The network of a variant without another choice."""
    for name in (variant, *bases("variant", variant)):
        for entry in _read("variant", name).get("defaults", []):
            chosen = entry.get("override /network") if isinstance(entry, Mapping) else None
            if isinstance(chosen, str):
                return chosen
        if name in files("network"):
            return name
    return ""


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


@cache
def _read(group: str, choice: str) -> Mapping[str, Any]:
    path = CONF / group / f"{choice}.yaml"
    found = yaml.safe_load(path.read_text()) if path.is_file() else None
    return found if isinstance(found, Mapping) else {}
