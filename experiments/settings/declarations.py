"""Declarations (class attributes) of the classes in a configuration, read from their source."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from experiments.settings.signatures import REQUIRED, UNKNOWN, Class, declared, lineage, signature
from experiments.settings.sources import find, resolve

OURS = ("lightning_gans", "datamodules")


def target(node: Any) -> str:
    """Return the dotted name of the class that a node instantiates; empty if it names none yet."""
    name = node.get("_target_") if isinstance(node, Mapping) else None
    return name if isinstance(name, str) and "${" not in name else ""


def is_ours(name: str) -> bool:
    """Return True if a class belongs to this project."""
    return name.partition(".")[0] in OURS


@cache
def subject(name: str) -> str:
    """Return the class whose declarations apply: the named class, or the return type of the named function."""
    found = find(*name.rpartition(".")[::2]) if "." in name else None
    if found is None or not isinstance(found.node, ast.FunctionDef) or found.node.returns is None:
        return name
    made = resolve(found.node.returns, found.module)
    return f"{made.module}.{made.node.name}" if made is not None and isinstance(made.node, ast.ClassDef) else name


def names(name: str, attribute: str) -> tuple[str, ...]:
    """Return the values that a class declares under `attribute`, classes by name. Empty: any value fits."""
    value = declared(subject(name), attribute)
    values = value if isinstance(value, tuple) else () if value in (None, UNKNOWN) else (value,)
    return tuple(str(one).rpartition(".")[2] for one in values)


def says(name: str, attribute: str) -> bool:
    """Return True if a class declares the attribute to be true."""
    return declared(subject(name), attribute) is True


def holds(node: Any, attribute: str) -> bool:
    """Return True if a class declares the attribute, either always or under a setting of the node ("norm=spectral").

    A setting without a value ("spectral_norm") matches if it is neither false, null nor 0.
    """
    value = declared(target(node), attribute)
    return value is True or (isinstance(value, tuple) and any(_is_set(node, str(one)) for one in value))


def _is_set(node: Mapping[str, Any], condition: str) -> bool:
    name, equals, wanted = condition.partition("=")
    given = setting(node, name)
    return str(given) == wanted if equals else bool(given)


def setting(node: Mapping[str, Any], name: str) -> Any:
    """Return the value of a setting: the node's own, or else the constructor's default; None if there is neither."""
    if name in node:
        return node[name]
    taken = signature(target(node))
    argument = taken.arguments.get(name) if taken is not None else None
    return None if argument is None or argument.default in (REQUIRED, UNKNOWN) else argument.default


def required_model(game: str) -> str:
    """Return the class or protocol that annotates a game's `model`; empty without an annotation."""
    for found in lineage(game):
        node = dict(found.body).get("model")
        if isinstance(node, ast.AnnAssign):
            made = resolve(node.annotation, found.module)
            return f"{made.module}.{made.node.name}" if made and isinstance(made.node, ast.ClassDef) else ""
    return ""


def role(model: str) -> str | None:
    """Return the task that a model is made for; None if any game that only needs samples accepts it."""
    found = declared(model, "role")
    return found if isinstance(found, str) else None


def suits(model: str, needed: str) -> bool:
    """Return True if a model satisfies the required protocol, or is a subclass of the required class with its role."""
    order, wanted = lineage(model), lineage(needed)
    if not order or not wanted:
        return True
    if _is_protocol(wanted[0]):
        return set(_methods(wanted)) <= {name for found in order for name, _ in found.body}
    return role(model) == role(needed) and (wanted[0] in order or not is_ours(model))


def satisfies(model: str, protocol: str) -> bool | None:
    """Return True if a class has all methods and attributes of a protocol; None if a source cannot be read."""
    order, wanted = lineage(model), lineage(protocol)
    if not order or not wanted:
        return None
    return {name for found in wanted for name, _ in found.body if name[0] != "_"} <= set(_attributes(order))


def _attributes(order: tuple[Class, ...]) -> Iterator[str]:
    """Yield the attributes of a class's instances: definitions in the body, and attributes set by methods."""
    for found in order:
        for name, node in found.body:
            yield name
            for inner in ast.walk(node) if isinstance(node, ast.FunctionDef) else ():
                if isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
                    yield from [inner.attr] * (isinstance(inner.value, ast.Name) and inner.value.id == "self")


def _is_protocol(found: Class) -> bool:
    return any(ast.unparse(base).partition("[")[0] == "Protocol" for base in found.node.bases)


def _methods(order: tuple[Class, ...]) -> Iterator[str]:
    for found in order:
        yield from (name for name, node in found.body if isinstance(node, ast.FunctionDef) and name[0] != "_")


def gives(data: str, batch: str, contents: str) -> bool:
    """Return True if a data module declares that it provides such batches with such contents."""
    return names(data, "batch") == (batch,) and names(data, "contents") == (contents,)
