"""A composed configuration against the schemas."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from experiments.settings import trainer
from experiments.settings.registry import GROUPS, PLACES, SCHEMAS, TOP
from experiments.settings.schema import Schema
from experiments.settings.spec import Node, Spec, plain
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

META = ("_target_", "_partial_", "_args_", "_convert_", "_recursive_")
SHOWN = 3


class Problem(NamedTuple):
    """key: dotted, of the setting. text: a sentence."""

    key: str
    text: str


def check(config: Mapping[str, Any], composed: DictConfig | None = None, *, also: Collection[str] = ()) -> None:
    """Refuse a configuration with values that do not fit.

    Args:
        config: resolved and plain.
        composed: the same before its interpolations were resolved, to blame a value where it was given.
        also: top-level keys that a user's own files bring.

    Raises:
        UserError: names each setting, what was given and what fits.
    """
    found = list(problems(config, also))
    given = [problem for problem in found if not _interpolated(composed, problem.key)]
    shown = given or found
    if shown:
        more = f" And {len(shown) - SHOWN} more." if len(shown) > SHOWN else ""
        raise UserError(" ".join(problem.text for problem in shown[:SHOWN]) + more)


def problems(config: Mapping[str, Any], also: Collection[str] = ()) -> Iterator[Problem]:
    """Everything that does not fit, the top level first."""
    known = [*TOP, *GROUPS, *also]
    for key in config:
        if key not in known:
            yield _unknown(key, "", known)
    for key in (*TOP, *GROUPS):
        if key not in config:
            yield Problem(key, f"{key} is missing: a run needs it.")
    yield from _values(config, TOP, "")
    yield from _values(config, {"variant": Node(), "data": Node()}, "")
    for place, expected in PLACES.items():
        node = _at(config, place)
        if isinstance(node, Mapping):
            flags = [key for key in node if place == "trainer" and key not in trainer.OWN]
            yield from (Problem(f"trainer.{key}", text) for key in flags if (text := trainer.problem(key)))
            own = {key: value for key, value in node.items() if key not in flags}
            yield from _settings(own, expected.schema, f"{place}.")
            yield from (
                Problem(f"{place}.{key}", f"{place}.{key} is missing: a run needs it.")
                for key in expected.schema.settings
                if key not in node and (expected.target is None or key in expected.extra)
            )
        else:
            yield Problem(place, f"{place}={plain(node)} is not of the right type; allowed: a group of settings.")
    for key in (*GROUPS, *(key for key in config if key not in GROUPS and key not in TOP)):
        yield from _nested(config.get(key), key)


def allowed(key: str, config: Mapping[str, Any]) -> Spec | None:
    """What the dotted `key` of a resolved configuration may hold; None where no schema says."""
    place, _, last = key.rpartition(".")
    if not place:
        return TOP.get(key)
    if place in PLACES:
        return PLACES[place].schema.settings.get(last)
    node = _at(config, place)
    schema = SCHEMAS.get(str(node.get("_target_"))) if isinstance(node, Mapping) else None
    return schema.settings.get(last) if schema else None


def _nested(node: Any, path: str) -> Iterator[Problem]:
    if isinstance(node, Mapping):
        schema = SCHEMAS.get(str(node.get("_target_")))
        if schema is not None:
            yield from _settings(node, schema, f"{path}.")
        for key, value in node.items():
            yield from _nested(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _nested(value, f"{path}.{index}")


def _settings(node: Mapping[str, Any], schema: Schema, prefix: str) -> Iterator[Problem]:
    for key in node:
        if key in schema.given:
            yield Problem(f"{prefix}{key}", f"{prefix}{key} cannot be set: the program fills it in.")
        elif key not in schema.settings and key not in META:
            yield _unknown(key, prefix, schema.settings)
    yield from _values(node, schema.settings, prefix)


def _values(node: Mapping[str, Any], settings: Mapping[str, Spec], prefix: str) -> Iterator[Problem]:
    for key, spec in settings.items():
        problem = spec.problem(node[key]) if key in node else None
        if problem:
            text = f"{prefix}{key}={plain(node[key])} {problem}; allowed: {spec.allowed()}."
            yield Problem(f"{prefix}{key}", text)


def _unknown(key: str, prefix: str, known: Collection[str]) -> Problem:
    hint = did_you_mean(f"{prefix}{name}" for name in nearest(key, known))
    listed = f" Settings there: {', '.join(known)}." if known and not hint else ""
    return Problem(f"{prefix}{key}", f"{prefix}{key}: there is no such setting.{hint}{listed}")


def _at(config: Mapping[str, Any], path: str) -> Any:
    node: Any = config
    for part in path.split("."):
        node = node.get(part) if isinstance(node, Mapping) else None
    return node


def _interpolated(composed: DictConfig | None, key: str) -> bool:
    place, _, last = key.rpartition(".")
    node = composed if composed is None or not place else OmegaConf.select(composed, place, throw_on_missing=False)
    # Where the whole group is interpolated, `select` follows it: its true name has been reported too.
    if not isinstance(node, DictConfig):
        return False
    return node._get_full_key(last) != key or (last in node and OmegaConf.is_interpolation(node, last))
