"""Conversion of type annotations to specs: the allowed values of a setting follow from its argument's annotation."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.settings.sources import Class, Found, evaluate, is_foreign, origin, resolve
from experiments.settings.spec import (
    Bool,
    Choice,
    Float,
    Int,
    ListOf,
    Node,
    OneOf,
    Optional,
    Path,
    Spec,
    Table,
    Text,
)

ANYTHING = Spec()
SIMPLE = {"int": Int(), "float": Float(), "bool": Bool(), "str": Text()}
OURS = ("lightning_gans", "datamodules", "experiments")  # in these packages, texts are names and not empty
PATHS = ("pathlib.Path", "os.PathLike")
# Types that a file cannot hold; the program fills in an argument that requires one.
FILLED_IN = ("Optimizer", "ParamsT", "Tensor")
LISTS = ("Sequence", "Iterable", "Collection", "list", "List", "tuple", "Tuple", "set", "frozenset")
TABLES = ("Mapping", "MutableMapping", "dict", "Dict")
LIMITS = {
    "Ge": "min",
    "Gt": "above",
    "Le": "max",
    "Lt": "below",
    "ge": "min",
    "gt": "above",
    "le": "max",
    "lt": "below",
}


@dataclass(frozen=True)
class Annotation:
    """A parsed annotation. spec: the allowed values. given: True if the program fills the argument in."""

    spec: Spec
    given: bool = False


def read(expression: ast.expr | None, module: str) -> Annotation:
    """Convert an annotation in a module to a specification; an unreadable annotation allows any value."""
    if expression is None:
        return Annotation(ANYTHING)
    name = origin(expression.value if isinstance(expression, ast.Subscript) else expression, module)
    if name.rpartition(".")[2] in ("Given", *FILLED_IN):
        return Annotation(ANYTHING, given=True)
    return Annotation(_joined(list(_members(expression, module))))


def _joined(members: Sequence[Spec | None]) -> Spec:
    """Merge the members of a union into one spec; None stands for null."""
    specs = [member for member in members if member is not None]
    if any(type(spec) is Spec for spec in specs):
        return ANYTHING
    if any(isinstance(spec, Path) for spec in specs):
        specs = [spec for spec in specs if type(spec) is not Text]
    choices = [spec for spec in specs if isinstance(spec, Choice)]
    if choices:  # including true and false
        free = [spec for spec in specs if isinstance(spec, Choice | Bool)]
        values = [value for spec in free for value in (spec.values if isinstance(spec, Choice) else (True, False))]
        specs = [Choice(tuple(values)), *(spec for spec in specs if spec not in free)]
        members = [None, *members] if None in values else members
    specs = list(dict.fromkeys(specs))
    joined = specs[0] if len(specs) == 1 else OneOf(tuple(specs)) if specs else ANYTHING
    return Optional(joined) if None in members and type(joined) is not Spec else joined


def _members(expression: ast.expr, module: str) -> Iterator[Spec | None]:
    """Yield the members of a union, or the single type of an annotation."""
    if isinstance(expression, ast.Constant):
        if expression.value is None:
            yield None
        elif isinstance(expression.value, str):
            yield from _members(ast.parse(expression.value.strip(), mode="eval").body, module)
        else:
            yield ANYTHING
    elif isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.BitOr):
        yield from _members(expression.left, module)
        yield from _members(expression.right, module)
    elif isinstance(expression, ast.Subscript):
        yield from _subscript(expression, module)
    else:
        yield from _named(expression, module)


def _subscript(expression: ast.Subscript, module: str) -> Iterator[Spec | None]:
    name = origin(expression.value, module)
    last = name.rpartition(".")[2]
    parts = expression.slice.elts if isinstance(expression.slice, ast.Tuple) else [expression.slice]
    if last == "Annotated":
        base, *marks = parts
        for member in _members(base, module):
            yield member if member is None else _bounded(member, marks, module)
    elif last == "Literal":
        values = evaluate(ast.Tuple(parts), module)
        yield Choice(values) if isinstance(values, tuple) else ANYTHING
    elif last in ("Optional", "Union"):
        for part in parts:
            yield from _members(part, module)
        if last == "Optional":
            yield None
    elif last in ("Final", "Required"):
        yield from _members(parts[0], module)
    elif last in LISTS:
        fixed = last in ("tuple", "Tuple") and not (isinstance(parts[-1], ast.Constant) and parts[-1].value is Ellipsis)
        kinds = {_joined(list(_members(part, module))) for part in (parts if fixed else parts[:1])}
        spec = kinds.pop() if len(kinds) == 1 else ANYTHING
        yield ListOf(spec, length=len(parts) if fixed else None)
    elif last in TABLES:
        yield Table(_joined(list(_members(parts[-1], module))))
    elif last == "Callable":
        yield Node()
    else:
        yield from _named(expression.value, module)


def _named(expression: ast.expr, module: str) -> Iterator[Spec | None]:
    name = origin(expression, module)
    last = name.rpartition(".")[2]
    if name == "str" and module.partition(".")[0] not in OURS:
        yield Text(empty=True)
    elif name in SIMPLE:
        yield SIMPLE[name]
    elif name in PATHS:
        yield Path()
    elif last in LISTS:
        yield ListOf(ANYTHING)
    elif last in TABLES:
        yield Table(ANYTHING)
    elif last == "Callable" or name.startswith("torch."):
        yield Node()
    elif isinstance(expression, ast.Name | ast.Attribute) and not is_foreign(expression, module):
        yield from _defined(resolve(expression, module))
    else:
        yield ANYTHING


def _defined(found: Found | None) -> Iterator[Spec | None]:
    """Yield the specs of a definition: an alias is expanded, a class becomes a node with its own settings."""
    node = found.node if found else None
    if found and isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        yield from _members(node.value, found.module)
    elif found and type(node).__name__ == "TypeAlias":
        yield from _members(node.value, found.module)  # type: ignore[union-attr]
    elif found and isinstance(node, ast.ClassDef):
        yield Node() if _is_built(Class(found.module, node)) else ANYTHING
    else:
        yield ANYTHING


def _is_built(found: Class) -> bool:
    """Return True if a class is instantiated by its constructor; False for enumerations and text types."""
    names = [ast.unparse(base).rpartition(".")[2] for base in found.node.bases]
    return not any(name in SIMPLE or name in ("NamedTuple", "TypedDict") or name.endswith("Enum") for name in names)


def _bounded(spec: Spec, marks: Sequence[ast.expr], module: str) -> Spec:
    """Add the bounds of an annotation to a spec."""
    for mark in marks:
        if not isinstance(mark, ast.Call):
            continue
        name, values = ast.unparse(mark.func).rpartition(".")[2], evaluate(ast.Tuple(mark.args), module)
        keywords = {word.arg: evaluate(word.value, module) for word in mark.keywords if word.arg}
        if not isinstance(values, tuple):
            continue
        if name == "Exists" and isinstance(spec, Path):
            spec = replace(spec, exists=True)
        elif name == "Among":
            spec = Choice(values)
        elif name in LIMITS or name == "Interval":
            limits = {name: values[0]} if values else keywords
            spec = _limited(spec, {LIMITS[key]: value for key, value in limits.items() if key in LIMITS})
        elif name == "Len" and isinstance(spec, ListOf):
            least, most = (*values, keywords.get("min_length"), keywords.get("max_length"))[:2]
            spec = replace(spec, length=least) if least == most else spec
    return spec


def _limited(spec: Spec, limits: dict[str, Any]) -> Spec:
    return replace(spec, **limits) if isinstance(spec, Int | Float) else spec
