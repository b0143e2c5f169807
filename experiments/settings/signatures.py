"""Signatures of constructors, read from their source: name, type, default, bounds and help of every setting."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from experiments.settings import annotations
from experiments.settings.libraries import LIBRARIES
from experiments.settings.sources import (
    REQUIRED,
    UNKNOWN,
    Class,
    Found,
    evaluate,
    find,
    is_foreign,
    origin,
    resolve,
    root,
)
from experiments.settings.spec import Optional, Spec

__all__ = ["REQUIRED", "UNKNOWN", "Argument", "Class", "Signature", "declared", "lineage", "signature"]

# Bases whose constructors take no settings.
EMPTY_BASES = ("object", "Generic", "Protocol", "ABC", "Module", "LightningModule", "LightningDataModule", "Callback")
SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ \t]+.*\n?|\n)*)", re.MULTILINE)
ENTRY = re.compile(r"^ {4}\*{0,2}(\w+)(?: \(.*?\))?: *(.*(?:\n {5,}.*)*)", re.MULTILINE)
TYPED = {"None": "null", "True": "true", "False": "false"}
LITERAL = re.compile(rf"\b({'|'.join(TYPED)})\b")
SENTENCE = re.compile(r"(?<=[^.]\.) (?=[A-Z\"])")


@dataclass(frozen=True)
class Argument:
    """One argument of a constructor.

    spec: allowed values, and their meaning (`spec.help`).
    default: REQUIRED if there is none, UNKNOWN if its value cannot be determined from the source.
    given: True if the program fills it in, so that it cannot be set.
    """

    name: str
    spec: Spec
    default: Any = REQUIRED
    given: bool = False


@dataclass(frozen=True)
class Signature:
    """The signature of a class or function.

    arguments: arguments by name, in the order of the signature.
    open: True if further keywords are accepted whose destination could not be determined.
    """

    target: str
    arguments: Mapping[str, Argument]
    open: bool = False

    @property
    def settings(self) -> dict[str, Argument]:
        """Return the arguments that a configuration file may set."""
        return {name: argument for name, argument in self.arguments.items() if not argument.given}


def signature(target: str) -> Signature | None:
    """Return the signature of a dotted name; None if its source cannot be read. It is then checked after the import."""
    return _signature(target, root(target.partition(".")[0]))


def lineage(target: str) -> tuple[Class, ...]:
    """Return a class and its bases in method resolution order.

    Bases from Python's library and from frameworks (torch, Lightning) outside the class's own package are left out, and
    so are unreadable ones. Empty if `target` is not a class with readable source.
    """
    return _lineage(target, root(target.partition(".")[0]))


def declared(target: str, name: str, default: Any = None) -> Any:
    """Return the value of a class attribute, own or inherited; classes and functions are given as dotted names.

    `default` if no class in the lineage declares it. UNKNOWN if the value cannot be determined from the source.
    """
    for found in lineage(target):
        node = dict(found.body).get(name)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            return _declared(node.value, found.module)
    return default


def _declared(expression: ast.expr, module: str) -> Any:
    """Evaluate an expression; names, also within tuples, lists and dictionaries, become text."""
    value = evaluate(expression, module)
    if value is not UNKNOWN:
        return value
    if isinstance(expression, ast.Tuple | ast.List | ast.Set):
        elements = (_declared(element, module) for element in expression.elts)
        return frozenset(elements) if isinstance(expression, ast.Set) else tuple(elements)
    if isinstance(expression, ast.Dict) and None not in expression.keys:
        keys = (_declared(key, module) for key in expression.keys if key is not None)
        return dict(zip(keys, (_declared(value, module) for value in expression.values), strict=True))
    if isinstance(expression, ast.Name | ast.Attribute):
        return ast.unparse(expression)
    return UNKNOWN


@cache
def _lineage(target: str, place: tuple[str, ...]) -> tuple[Class, ...]:
    found = _located(target)
    return _linear(Class(found.module, found.node)) if found and isinstance(found.node, ast.ClassDef) else ()


def _linear(found: Class) -> tuple[Class, ...]:
    """Compute the method resolution order (C3) of the readable classes."""
    lists = [[*_linear(base)] for base in _bases(found) if base != found]
    order = [found]
    while lists := [rest for rest in lists if rest]:
        heads = (rest[0] for rest in lists)
        head = next((one for one in heads if not any(one in rest[1:] for rest in lists)), lists[0][0])
        order.append(head)
        lists = [[other for other in rest if other != head] for rest in lists]
    return tuple(order)


def _bases(found: Class) -> Iterator[Class]:
    for expression in found.node.bases:
        base = expression.value if isinstance(expression, ast.Subscript) else expression
        there = None if is_foreign(base, found.module) else resolve(base, found.module)
        if there is not None and isinstance(there.node, ast.ClassDef):
            yield Class(there.module, there.node)


def _located(target: str) -> Found | None:
    """Return the definition of a dotted name, in a module or re-exported by a package."""
    module, _, name = target.rpartition(".")
    return find(module, name) if module else None


@cache
def _signature(target: str, place: tuple[str, ...]) -> Signature | None:
    found = _located(target)
    if found is None:
        return None
    if isinstance(found.node, ast.FunctionDef):
        taken = _Taken(_documented(found.node))
        taken.add(found.node, found.module, skip=0)
    elif isinstance(found.node, ast.ClassDef):
        taken = _of_class(lineage(target), 0)
    else:
        return None
    for name, spec in LIBRARIES.get(target, {}).items():
        if name in taken.arguments:
            taken.arguments[name] = replace(taken.arguments[name], spec=spec)
    return Signature(target, taken.arguments, taken.open) if taken.readable else None


class _Taken:
    """A partially collected signature. readable: False once some arguments could not be determined."""

    def __init__(self, help: Mapping[str, str]) -> None:
        self.help, self.arguments, self.open, self.readable = help, dict[str, Argument](), False, True

    def add(self, function: ast.FunctionDef, module: str, *, skip: int) -> None:
        """Add a function's arguments, except the first `skip` (self)."""
        taken = function.args
        positional = [*taken.posonlyargs, *taken.args]
        defaults: list[ast.expr | None] = [None] * (len(positional) - len(taken.defaults))
        pairs = list(zip(positional, [*defaults, *taken.defaults], strict=True))[skip:]
        only = {argument.arg for argument in taken.posonlyargs}
        for argument, default in [*pairs, *zip(taken.kwonlyargs, taken.kw_defaults, strict=True)]:
            if argument.arg not in only:
                self.enter(argument.arg, argument.annotation, default, module)

    def enter(self, name: str, annotation: ast.expr | None, default: ast.expr | None, module: str) -> None:
        known = annotations.read(annotation, module)
        value = REQUIRED if default is None else evaluate(default, module)
        spec = known.spec
        if value is None and spec.problem(None):
            spec = Optional(spec)  # `argument: int = None`
        self.arguments[name] = Argument(name, replace(spec, help=self.help.get(name, "")), value, known.given)


def _of_class(order: tuple[Class, ...], index: int) -> _Taken:
    """Return the signature of the own or inherited constructor of the class at `index` of its lineage."""
    help: dict[str, str] = {}
    for found in reversed(order[index:]):
        help |= _documented(found.node)
    taken = _Taken(help)
    for place, found in enumerate(order[index:], index):
        members = dict(found.body)
        init = members.get("__init__")
        if isinstance(init, ast.FunctionDef):
            _of_init(taken, init, order, place)
            return taken
        if _is_dataclass(found):
            _of_fields(taken, order[place:])
            return taken
        if any(ast.unparse(base).rpartition(".")[2] == "NamedTuple" for base in found.node.bases):
            _of_fields(taken, order[place : place + 1])
            return taken
        if "__new__" in members:
            taken.readable = False
    _of_framework(taken, order[index:])
    return taken


def _of_init(taken: _Taken, init: ast.FunctionDef, order: tuple[Class, ...], place: int) -> None:
    """Add a constructor's own arguments, and its base's arguments if it passes `**rest` on."""
    rest = init.args.kwarg.arg if init.args.kwarg else None
    base = _handed_on(init, rest) if rest else None
    if base is not None:
        inherited = _of_class(order, place + 1)
        passed = {word.arg for word in base.keywords if word.arg}
        names = [name for name in inherited.arguments if name not in passed][len(base.args) :]
        for name in names:
            argument = inherited.arguments[name]
            help = taken.help.get(name, argument.spec.help)
            taken.arguments[name] = replace(argument, spec=replace(argument.spec, help=help))
        taken.open = inherited.open or not inherited.readable
    elif rest:
        taken.open = True
    taken.add(init, order[place].module, skip=1)


def _handed_on(init: ast.FunctionDef, rest: str) -> ast.Call | None:
    """Return the call of the base's constructor with `**rest`, unless `rest` is used for more than reading values."""
    nodes = list(ast.walk(init))
    calls = [node for node in nodes if isinstance(node, ast.Call) and _passes(node, rest)]
    ours = [call for call in calls if ast.unparse(call.func) == "super().__init__"]
    uses = sum(isinstance(node, ast.Name) and node.id == rest for node in nodes)
    reads = sum(
        isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) == rest
        for node in nodes
    )
    return ours[0] if len(ours) == uses - reads == 1 else None


def _passes(call: ast.Call, rest: str) -> bool:
    return any(
        word.arg is None and isinstance(word.value, ast.Name) and word.value.id == rest for word in call.keywords
    )


def _is_dataclass(found: Class) -> bool:
    return any("dataclass" in ast.unparse(decorator).partition("(")[0] for decorator in found.node.decorator_list)


def _of_fields(taken: _Taken, order: tuple[Class, ...]) -> None:
    """Add the fields of a dataclass and of its bases."""
    for found in reversed(order):
        for name, node in found.body:
            if not isinstance(node, ast.AnnAssign) or "ClassVar" in ast.unparse(node.annotation):
                continue
            default = node.value
            if isinstance(default, ast.Call) and ast.unparse(default.func).rpartition(".")[2] == "field":
                words = {word.arg: word.value for word in default.keywords}
                if isinstance(words.get("init"), ast.Constant) and evaluate(words["init"], found.module) is False:
                    continue
                default = words.get("default", words.get("default_factory"))
            taken.enter(name, node.annotation, default, found.module)


def _of_framework(taken: _Taken, order: tuple[Class, ...]) -> None:
    """Handle a constructor inherited from a base outside `lineage`: empty, from a framework, or unreadable."""
    for found in order:
        for expression in found.node.bases:
            base = expression.value if isinstance(expression, ast.Subscript) else expression
            name = origin(base, found.module)
            if is_foreign(base, found.module):
                known = None if name.rpartition(".")[2] in EMPTY_BASES else signature(name)
                if known is not None and (known.arguments or known.open):
                    taken.arguments |= known.arguments
                    taken.open = known.open
                    return
                taken.readable = taken.readable and (known is not None or name.rpartition(".")[2] in EMPTY_BASES)
            elif name != "object" and resolve(base, found.module) is None:
                taken.readable = False


@cache
def _documented(node: ast.ClassDef | ast.FunctionDef) -> Mapping[str, str]:
    """Map arguments to help: the first sentence of the entry under Args in the class's or constructor's docstring."""
    found: dict[str, str] = {}
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and member.name == "__init__":
                found |= _documented(member)
    section = SECTION.search(ast.get_docstring(node) or "")
    for name, words in ENTRY.findall(section[1]) if section else ():
        first = SENTENCE.split(" ".join(words.split()))[0]
        # As written in a configuration file.
        found[name] = LITERAL.sub(lambda word: TYPED[word[0]], first[:-1] if re.search(r"[^.]\.$", first) else first)
    return found
