"""Values of a composed configuration: overrides, and values that are interpolations of others."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from experiments.configuration.messages import exists, leaf_keys, reason, refuse_sweep
from experiments.settings import defaults
from experiments.settings.signatures import signature
from experiments.settings.suggest import did_you_mean, nearest, nearest_keys
from lightning_gans.core.errors import UserError

GIVEN = ("callbacks", "logger")  # groups that accept the user's own nodes besides the shipped ones
FOLLOWS = re.compile(r"\$\{([\w.]+)\}")  # an interpolation of a whole value


def assign(config: DictConfig, override: Override, groups: Sequence[str]) -> None:
    """Apply an override (set, add or delete a value) as Hydra does, to a configuration with filled-in defaults.

    Args:
        config: changed in place.
        groups: config groups, for suggestions.

    Raises:
        UserError: a sweep, an unknown group or setting, or a setting that is an interpolation of another one.
    """
    key, value = override.key_or_group, override.value()
    refuse_sweep(override)
    if override.package is not None or "/" in key or "@" in key:
        hint = did_you_mean(nearest(key, groups))
        raise UserError(f"{override.input_line}: there is no group {key}.{hint} Groups: {', '.join(groups)}.")
    there = exists(config, key)
    forced = override.is_add() or override.is_force_add()
    if override.is_delete():
        if not there:
            raise UserError(f"{override.input_line} does not fit: there is no {key}.")
        place, _, last = key.rpartition(".")
        node = OmegaConf.select(config, place) if place else config
        with open_dict(node):
            del node[last]
        return
    forced |= key.partition(".")[0] in GIVEN and (key.endswith("._target_") or _is_node(value))
    if not forced and not defaults.knows(config, key):
        hint = did_you_mean(nearest_keys(key, [*leaf_keys(config), *groups]))
        raise UserError(f"{key}: there is no such setting.{hint} `--help` lists them all.")
    if followed := followed_by(config, key):
        raise UserError(f"{key} follows another setting: say {followed}={override.get_value_element_as_str()}.")
    try:
        OmegaConf.update(config, key, value, merge=True, force_add=forced or not there)
    except OmegaConfBaseException as error:
        raise UserError(f"{override.input_line} does not fit: {reason(error)}") from error


def forget_defaults(config: DictConfig, override: Override, filled: frozenset[str]) -> None:
    """Remove the defaults of a class that an override is about to replace."""
    place, _, last = override.key_or_group.rpartition(".")
    value = override.value()
    if last != "_target_":
        place = override.key_or_group if _is_node(value) else ""
    for key in filled if place else ():
        parent, _, name = key.rpartition(".")
        node = OmegaConf.select(config, parent) if f"{parent}.".startswith(f"{place}.") else None
        if isinstance(node, DictConfig) and name in node:
            with open_dict(node):
                del node[name]


def links(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (key, key it refers to) of every value that is an interpolation of a whole value."""
    for key, value in node.items() if isinstance(node, Mapping) else ():
        if isinstance(value, str) and (whole := FOLLOWS.fullmatch(value)):
            yield f"{prefix}{key}", whole[1]
        yield from links(value, f"{prefix}{key}.")


def followed_by(config: DictConfig, key: str) -> str:
    """Return the setting that `key` refers to if its group is an interpolation (variant.loss: ${objective})."""
    *places, last = key.split(".")
    node: Any = config
    for depth, name in enumerate(places):
        if not isinstance(node, DictConfig) or name not in node:
            return ""
        if OmegaConf.is_interpolation(node, name):
            plain: Any = OmegaConf.to_container(node, resolve=False)
            whole = FOLLOWS.fullmatch(str(plain[name]))
            return ".".join([whole[1], *places[depth + 1 :], last]) if whole else ""
        node = node[name]
    return ""


def unknown(node: Any, prefix: str = "") -> Iterator[str]:
    """Yield dotted keys that the class of their part does not accept; interpolations are skipped."""
    taken = signature(str(node.get("_target_")))
    known = None if taken is None or taken.open else taken.arguments
    for key, value in node.items():
        follows = isinstance(value, str) and ("${" in value or value == "???")
        if known is not None and not follows and key not in known and not key.startswith("_"):
            yield f"{prefix}{key}"
        elif isinstance(value, dict):
            yield from unknown(value, f"{prefix}{key}.")


def _is_node(value: Any) -> bool:
    return isinstance(value, dict) and "_target_" in value
