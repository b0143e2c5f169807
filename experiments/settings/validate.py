"""Validation of a composed configuration against the signatures of the constructors that it names."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from omegaconf import DictConfig, ListConfig, OmegaConf

from experiments.settings import trainer
from experiments.settings.given import callback_problems, logger_problems
from experiments.settings.run import BUILT, GROUPS, PLACES, TOP
from experiments.settings.signatures import REQUIRED, Signature, signature
from experiments.settings.spec import Node, Spec, plain
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

META = ("_target_", "_partial_", "_args_", "_convert_", "_recursive_")
SHOWN = 3


class Problem(NamedTuple):
    """A problem of a setting. key: its dotted key. text: a sentence."""

    key: str
    text: str


def check(config: Mapping[str, Any], composed: DictConfig | None = None, *, also: Collection[str] = ()) -> None:
    """Refuse a configuration with invalid values.

    Args:
        config: resolved, in plain containers.
        composed: the same before its interpolations were resolved, to report a value at the key that sets it.
        also: top-level keys that a user's own files add.

    Raises:
        UserError: the message lists each setting with its value and the allowed values.
    """
    found = list(problems(config, also))
    given = [problem for problem in found if not _interpolated(composed, problem.key)]
    shown = given or found
    if shown:
        more = f" And {len(shown) - SHOWN} more." if len(shown) > SHOWN else ""
        raise UserError(" ".join(problem.text for problem in shown[:SHOWN]) + more)


def problems(config: Mapping[str, Any], also: Collection[str] = ()) -> Iterator[Problem]:
    """Yield all problems, those of the top level first."""
    known = [*TOP, *GROUPS, *also]
    for key in config:
        if key not in known:
            yield _unknown(key, "", known)
    for key in (*TOP, *GROUPS):
        if key not in config:
            yield Problem(key, f"{key} is missing: a run needs it.")
    yield from _values(config, TOP, "")
    yield from _values(config, {"variant": Node(), "data": Node()}, "")
    for found, node in ((callback_problems, config.get("callbacks")), (logger_problems, config.get("logger"))):
        if isinstance(node, Mapping):
            yield from (Problem(key, text) for key, text in found(node))
    for place, expected in PLACES.items():
        node = _at(config, place)
        if isinstance(node, Mapping):
            flags = [key for key in node if place == "trainer" and key not in trainer.OWN]
            yield from (Problem(f"trainer.{key}", text) for key in flags if (text := trainer.problem(key)))
            values = ((key, trainer.value_problem(key, node[key])) for key in flags)
            yield from (Problem(f"trainer.{key}", text) for key, text in values if text)
            own = {key: value for key, value in node.items() if key not in flags}
            yield from _settings(own, expected.settings, expected.signature, f"{place}.")
            yield from (
                Problem(f"{place}.{key}", f"{place}.{key} is missing: a run needs it.")
                for key in expected.required
                if key not in node
            )
        else:
            yield Problem(place, f"{place}={plain(node)} is not of the right type; allowed: a group of settings.")
    for key in (*GROUPS, *(key for key in config if key not in GROUPS and key not in TOP)):
        yield from _nested(config.get(key), key, built=key in BUILT)


def allowed(key: str, config: Mapping[str, Any]) -> Spec | None:
    """Return the specification of a dotted `key` of a configuration; None if no signature contains it."""
    place, _, last = key.rpartition(".")
    if not place:
        return TOP.get(key)
    if place in PLACES:
        return PLACES[place].settings.get(last)
    node = _at(config, place)
    taken = signature(str(node.get("_target_"))) if isinstance(node, Mapping) else None
    return taken.settings[last].spec if taken and last in taken.settings else None


def _nested(node: Any, path: str, *, built: bool = False) -> Iterator[Problem]:
    """Yield the problems in the settings of an object and its parts. built: required arguments have to be given."""
    if isinstance(node, Mapping):
        taken = signature(str(node["_target_"])) if "_target_" in node else None
        if taken is not None:
            yield from _settings(node, {name: one.spec for name, one in taken.settings.items()}, taken, f"{path}.")
            if built and not node.get("_partial_"):
                yield from _missing(node, taken, path)
        for key, value in node.items():
            yield from _nested(value, f"{path}.{key}", built=built)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _nested(value, f"{path}.{index}", built=built)


def _settings(
    node: Mapping[str, Any], settings: Mapping[str, Spec], taken: Signature | None, prefix: str
) -> Iterator[Problem]:
    for key in node:
        if key in settings or key in META:
            continue
        if taken is not None and key in taken.arguments:
            yield Problem(f"{prefix}{key}", f"{prefix}{key} cannot be set: the program fills it in.")
        elif taken is None or not taken.open:
            yield _unknown(key, prefix, settings)
    yield from _values(node, settings, prefix)


def _missing(node: Mapping[str, Any], taken: Signature, path: str) -> Iterator[Problem]:
    name = taken.target.rpartition(".")[2]
    for key, argument in taken.settings.items():
        if argument.default is REQUIRED and key not in node:
            yield Problem(f"{path}.{key}", f"{path}.{key} is missing: {name} needs it.")


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
    """Return True if a setting only follows another one: it, or a group that contains it, is an interpolation."""
    node: Any = composed
    for part in key.split("."):
        name: Any = int(part) if isinstance(node, ListConfig) else part
        if not isinstance(node, DictConfig | ListConfig) or (isinstance(node, DictConfig) and name not in node):
            return False
        if OmegaConf.is_interpolation(node, name):
            return True
        node = node[name]
    return False
