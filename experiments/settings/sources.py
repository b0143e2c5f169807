"""Static resolution of names in the source of Python modules, without importing them or their dependencies."""

import ast
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from operator import add, floordiv, mod, mul, neg, pos, pow, sub, truediv
from pathlib import Path
from typing import Any, Final


class _Missing:
    """A sentinel that prints as its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


REQUIRED: Final = _Missing("REQUIRED")  # in place of a default
UNKNOWN: Final = _Missing("UNKNOWN")  # a value that cannot be determined from the source

# Base classes of these packages are skipped: they take no settings, declare nothing and are slow to read.
FRAMEWORKS = frozenset({"torch", "torchvision", "pytorch_lightning", "lightning", "lightning_fabric", "torchmetrics"})
DEEPEST = 12  # longest chain of re-exports of a name

_OPERATORS: Mapping[type[ast.AST], Any] = {
    ast.Add: add,
    ast.Sub: sub,
    ast.Mult: mul,
    ast.Div: truediv,
    ast.FloorDiv: floordiv,
    ast.Mod: mod,
    ast.Pow: pow,
    ast.USub: neg,
    ast.UAdd: pos,
}


@dataclass(frozen=True)
class Imported:
    """A name that a module imports: `name` of `module`, or the module itself."""

    module: str
    name: str | None = None


@dataclass(frozen=True)
class Module:
    """Definitions in the file of a module, by name; the last of several definitions counts.

    stars: modules imported by `from module import *`.
    """

    name: str
    names: Mapping[str, ast.AST | Imported]
    stars: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A definition, and the module in which to look up the names that it uses."""

    module: str
    node: ast.AST | None  # None: a module

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Class:
    """A class definition in a source file."""

    module: str
    node: ast.ClassDef = field(repr=False)

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def body(self) -> Iterator[tuple[str, ast.FunctionDef | ast.AnnAssign | ast.Assign]]:
        """Definitions in the body of the class, by name."""
        for node in self.node.body:
            if isinstance(node, ast.FunctionDef):
                yield node.name, node
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield node.target.id, node
            elif isinstance(node, ast.Assign):
                yield from ((target.id, node) for target in node.targets if isinstance(target, ast.Name))


def root(top: str) -> tuple[str, ...]:
    """Return the folders of a top-level package or module; empty without a source.

    Only top-level names are looked up, because the lookup of a dotted name imports its parent.
    """
    return _root(top, (os.getcwd(), *sys.path))


@cache
def _root(top: str, path: tuple[str, ...]) -> tuple[str, ...]:
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return ()
    if spec is None:
        return ()
    if spec.submodule_search_locations is not None:
        return tuple(spec.submodule_search_locations)
    return (spec.origin,) if spec.origin and spec.origin.endswith(".py") else ()


def module_of(name: str) -> Module | None:
    """Return the module with this dotted name, or None if it has no source file."""
    return _module(name, root(name.partition(".")[0]))


@cache
def _module(name: str, places: tuple[str, ...]) -> Module | None:
    rest = name.split(".")[1:]
    for place in places:
        path = Path(place)
        if not place.endswith(".py"):
            path = path.joinpath(*rest)
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        elif rest:
            continue
        if path.is_file():
            return _parsed(name, path)
    return None


def _parsed(name: str, path: Path) -> Module | None:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    names: dict[str, ast.AST | Imported] = {}
    stars: list[str] = []
    _read(tree.body, package, names, stars)
    for key, home in _homes(names.get("_HOMES")).items():
        names.setdefault(key, Imported(f"{name}.{home.lstrip('.')}", key))
    return Module(name, names, tuple(stars))


def _homes(table: object) -> dict[str, str]:
    """Return the names that a package imports lazily, each with its module within the package."""
    if not isinstance(table, ast.Assign | ast.AnnAssign) or table.value is None:
        return {}
    try:
        homes = ast.literal_eval(table.value)
    except ValueError:
        return {}
    return {str(name): str(home) for name, home in homes.items()} if isinstance(homes, dict) else {}


def _read(
    body: Sequence[ast.stmt],
    package: str,
    names: dict[str, ast.AST | Imported],
    stars: list[str],
    *,
    weak: bool = False,
) -> None:
    """Record the names that statements define. weak: names of a branch rarely taken, which do not replace others."""

    def enter(name: str, what: ast.AST | Imported) -> None:
        if not weak or name not in names:
            names[name] = what

    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            enter(node.name, node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    enter(target.id, node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            enter(node.target.id, node)
        elif type(node).__name__ == "TypeAlias":  # `type Share = ...` of Python 3.12
            enter(node.name.id, node)  # type: ignore[attr-defined]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                enter(alias.asname or top, Imported(alias.name if alias.asname else top))
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            for alias in node.names:
                if alias.name == "*":
                    stars.append(base)
                else:
                    enter(alias.asname or alias.name, Imported(base, alias.name))
        elif isinstance(node, ast.If):
            _read(node.body, package, names, stars, weak=weak)
            _read(node.orelse, package, names, stars, weak=True)
        elif isinstance(node, ast.Try):
            _read([*node.body, *node.orelse, *node.finalbody], package, names, stars, weak=weak)
            for handler in node.handlers:
                _read(handler.body, package, names, stars, weak=True)
        elif isinstance(node, ast.With):
            _read(node.body, package, names, stars, weak=weak)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


def find(module: str, name: str, depth: int = 0) -> Found | None:
    """Find the definition of a module's name through imports; None if it cannot be determined from the source."""
    there = module_of(module) if depth < DEEPEST else None
    if there is None:
        return None
    what = there.names.get(name)
    if isinstance(what, Imported):
        return _imported(what, depth)
    if what is not None:
        return Found(module, what)
    for star in there.stars:
        found = find(star, name, depth + 1)
        if found is not None:
            return found
    return Found(f"{module}.{name}", None) if module_of(f"{module}.{name}") else None


def _imported(what: Imported, depth: int) -> Found | None:
    if what.name is None:
        return Found(what.module, None)
    submodule = f"{what.module}.{what.name}"
    # A package imports its submodules under their own names; a search in its file would require parsing all of it.
    return Found(submodule, None) if module_of(submodule) else find(what.module, what.name, depth + 1)


def resolve(expression: ast.AST, module: str) -> Found | None:
    """Return the definition of a dotted name used in a module."""
    if isinstance(expression, ast.Name):
        return find(module, expression.id)
    if isinstance(expression, ast.Attribute):
        owner = resolve(expression.value, module)
        return find(owner.module, expression.attr) if owner is not None and owner.node is None else None
    return None


def origin(expression: ast.AST, module: str) -> str:
    """Return the full dotted name of an expression by the module's own imports; no other file is read."""
    text = ast.unparse(expression)
    first, dot, rest = text.partition(".")
    there = module_of(module)
    what = there.names.get(first) if there else None
    if not isinstance(what, Imported):
        return f"{module}.{text}" if what is not None else text
    return f"{what.module}.{what.name}{dot}{rest}" if what.name else f"{what.module}{dot}{rest}"


def is_foreign(expression: ast.AST, module: str) -> bool:
    """Return True if a name belongs to Python's standard library, or to a framework that does not contain `module`."""
    top = origin(expression, module).partition(".")[0]
    return top != module.partition(".")[0] and (top in FRAMEWORKS or top in sys.stdlib_module_names)


def evaluate(expression: ast.AST | None, module: str) -> Any:
    """Evaluate an expression of literals, arithmetic and module constants; UNKNOWN if that fails."""
    try:
        return _evaluated(expression, module)
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
        return UNKNOWN


def _evaluated(expression: ast.AST | None, module: str) -> Any:
    if isinstance(expression, ast.Constant):
        return expression.value
    if isinstance(expression, ast.Tuple | ast.List):
        values = list(_elements(expression.elts, module))
        return tuple(values) if isinstance(expression, ast.Tuple) else values
    if isinstance(expression, ast.Dict) and None not in expression.keys:
        keys = [_evaluated(key, module) for key in expression.keys]
        return dict(zip(keys, (_evaluated(value, module) for value in expression.values), strict=True))
    if isinstance(expression, ast.UnaryOp):
        return _OPERATORS[type(expression.op)](_evaluated(expression.operand, module))
    if isinstance(expression, ast.BinOp):
        left, right = _evaluated(expression.left, module), _evaluated(expression.right, module)
        if isinstance(expression.op, ast.Pow) and not (isinstance(right, int | float) and abs(right) <= 1024):
            raise ValueError("too large")
        return _OPERATORS[type(expression.op)](left, right)
    if isinstance(expression, ast.Call) and ast.unparse(expression.func) == "range":
        return range(*_elements(expression.args, module))
    if isinstance(expression, ast.Name | ast.Attribute) and not is_foreign(expression, module):
        found = resolve(expression, module)
        if found is not None and isinstance(found.node, ast.Assign | ast.AnnAssign):
            return _evaluated(found.node.value, found.module)
    raise ValueError(f"{ast.unparse(expression) if expression else None} is no constant")


def _elements(elements: Sequence[ast.expr], module: str) -> Iterator[Any]:
    for element in elements:
        if isinstance(element, ast.Starred):
            found = resolve(element.value, module)
            table = getattr(found.node, "value", None) if found is not None else None
            if found is not None and isinstance(table, ast.Dict):  # *TABLE expands to its keys
                yield from (_evaluated(key, found.module) for key in table.keys)
            else:
                yield from _evaluated(element.value, module)
        else:
            yield _evaluated(element, module)
