"""Constructors' defaults, added to a configuration as settings."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments.settings.run import PLACES
from experiments.settings.signatures import Signature, signature
from experiments.settings.validate import allowed


def fill(config: DictConfig) -> frozenset[str]:
    """Add the constructors' defaults that a composed configuration does not set, in place.

    Leaves out arguments without a default, arguments that the program fills in, and defaults that are not plain values.

    Returns:
        The dotted keys that were added.
    """
    taken = [(place, node, signature(_target(node))) for place, node in _nodes(config, "")]
    for place, expected in PLACES.items():
        node = OmegaConf.select(config, place, throw_on_resolution_failure=False)
        if isinstance(node, DictConfig):
            taken.append((place, node, expected.signature))
    return frozenset(
        f"{place}.{name}" for place, node, found in taken if found is not None for name in _fill(node, found)
    )


def knows(config: DictConfig, key: str) -> bool:
    """Return True if a dotted key is a setting: the configuration contains it, or the class at its place accepts it."""
    place, _, last = key.rpartition(".")
    if place == "trainer":
        return True  # arguments of Lightning's Trainer, which `validate` checks
    try:
        node = OmegaConf.select(config, place) if place else config
        return (isinstance(node, DictConfig) and last in node) or allowed(key, config) is not None
    except OmegaConfBaseException:
        return False


def _fill(node: DictConfig, found: Signature) -> list[str]:
    missing = {
        name: argument.default
        for name, argument in found.settings.items()
        if name not in node and _is_plain(argument.default)
    }
    with open_dict(node):
        for name, default in missing.items():
            node[name] = default
    return [*missing]


def _nodes(node: Any, place: str) -> Iterator[tuple[str, DictConfig]]:
    """Yield (place, node) of the mappings with a `_target_`; interpolations are not followed."""
    if isinstance(node, DictConfig) and "_target_" in node:
        yield place, node
    keys = node if isinstance(node, DictConfig) else range(len(node)) if isinstance(node, ListConfig) else ()
    for key in list(keys):
        if not OmegaConf.is_interpolation(node, key) and not OmegaConf.is_missing(node, key):
            child = node[key]
            if isinstance(child, DictConfig | ListConfig):
                yield from _nodes(child, f"{place}.{key}" if place else str(key))


def _target(node: DictConfig) -> str:
    try:
        return str(node["_target_"])
    except OmegaConfBaseException:
        return ""  # a dangling interpolation, which is refused with the other problems


def _is_plain(value: Any) -> bool:
    """Return True if a configuration file can hold the value unchanged."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "${" not in value)
