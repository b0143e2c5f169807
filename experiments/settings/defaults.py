"""Defaults of constructors, as settings of a configuration."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments.settings.run import PLACES
from experiments.settings.signatures import Signature, signature
from experiments.settings.validate import allowed


def fill(config: DictConfig) -> frozenset[str]:
    """Add the arguments with a default that a composed configuration leaves to its constructors, in place.

    Arguments without a default, those that the program fills in, and defaults that are no plain values are left out.

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
    """Return True if a dotted key is a setting of a configuration: it is there, or the class at its place takes it."""
    place, _, last = key.rpartition(".")
    if place == "trainer":
        return True  # flags of Lightning's Trainer, which `validate` knows
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
    """The mappings with a `_target_`, each at its own place: interpolations are not followed."""
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
        return ""  # an interpolation that leads nowhere, which is refused with the rest


def _is_plain(value: Any) -> bool:
    """Return True if a file of settings can hold a value as it is."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and "${" not in value)
