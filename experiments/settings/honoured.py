"""Settings that a game honours, found by static analysis: those that a reachable method reads.

A subclass inherits the settings of its base's constructor. If it overrides the methods that read a setting, the setting
is accepted but changes only the run's name. If the methods of a game do not show which settings it reads (a helper
elsewhere reads them), the game declares them: `honours: ClassVar[tuple[str, ...]] = ("penalty", "packing")`.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from experiments.settings.signatures import Class, declared, lineage, signature
from experiments.settings.sources import is_foreign, resolve

GAME = "lightning_gans.core.game.Game"
ASKED = ("isinstance", "hasattr", "getattr", "type", "super")  # functions that inspect a part without using it


@cache
def ignored(target: str) -> Mapping[str, tuple[str, ...]]:
    """Return the inherited settings that a game ignores, each with the methods of `target` that override a reader.

    Empty if the class declares `honours`, and if its source is inconclusive.
    """
    order = lineage(target)
    taken = signature(target)
    if taken is None or taken.open or not _complete(order):
        return {}
    inherited = [name for name in taken.arguments if _owner(order, name) not in (0, None)]
    honours = declared(target, "honours")
    if isinstance(honours, tuple):
        return {name: () for name in inherited if name not in (*honours, "model", "training")}
    reading = _Reading(order)
    overridden = tuple(
        name
        for name, node in order[0].body
        if isinstance(node, ast.FunctionDef) and name != "__init__" and any(name in dict(c.body) for c in order[1:])
    )
    return {name: overridden for name in inherited if reading.tells and not reading.honours(0, name)}


def _complete(order: Sequence[Class]) -> bool:
    """Return True if the lineage ends with the base class of games and every base outside the frameworks was read."""
    if f"{order[-1].module}.{order[-1].name}" != GAME if order else True:
        return False
    return all(
        is_foreign(base, found.module) or resolve(base, found.module) is not None
        for found in order
        for base in found.node.bases
    )


def _init(found: Class) -> ast.FunctionDef | None:
    node = dict(found.body).get("__init__")
    return node if isinstance(node, ast.FunctionDef) else None


def _names(init: ast.FunctionDef) -> list[str]:
    return [argument.arg for argument in (*init.args.args[1:], *init.args.kwonlyargs)]


def _owner(order: Sequence[Class], name: str) -> int | None:
    """Return the index of the first class in the lineage whose constructor names the setting."""
    return next((i for i, found in enumerate(order) if (init := _init(found)) and name in _names(init)), None)


class _Reading:
    """Attributes that a game reads, in methods reachable from those that the core calls."""

    def __init__(self, order: Sequence[Class]) -> None:
        self.order = order
        self.game = {name for name, node in order[-1].body if isinstance(node, ast.FunctionDef)} - {"__init__"}
        self.types = self._types()
        self.read: set[str] = set()
        self.tells = True  # False: the game is passed to a function elsewhere, which may read anything
        self._reach()

    def honours(self, start: int, name: str) -> bool:
        """Return True if the setting of the constructor at `start` is read, or passed on to a reader."""
        place = next((i for i in range(start, len(self.order)) if self._takes(i, name)), None)
        init = _init(self.order[place]) if place is not None else None
        if place is None or init is None or place == len(self.order) - 1:
            return True  # the core's own
        flows = _Flows(init, name)
        return (
            flows.is_used
            or bool(flows.attributes & self.read)
            or any(self.honours(place + 1, base) for base in flows.handed_on)
        )

    def _takes(self, index: int, name: str) -> bool:
        init = _init(self.order[index])
        return init is not None and name in _names(init)

    def _types(self) -> dict[str, tuple[bool, set[str], set[str]]]:
        """Map each attribute to (whether its type is a protocol, methods required of it, all names of the type)."""
        found: dict[str, tuple[bool, set[str], set[str]]] = {}
        for place in reversed(self.order):
            init = _init(place)
            for argument in init.args.kwonlyargs if init else ():
                for expression in ast.walk(argument.annotation) if argument.annotation else ():
                    there = resolve(expression, place.module) if isinstance(expression, ast.Name) else None
                    if there is None or not isinstance(there.node, ast.ClassDef):
                        continue
                    members = dict(Class(there.module, there.node).body)
                    methods = {name: node for name, node in members.items() if isinstance(node, ast.FunctionDef)}
                    protocol = any(ast.unparse(base) == "Protocol" for base in there.node.bases)
                    abstract = {
                        name
                        for name, node in methods.items()
                        if any(ast.unparse(decorator) == "abstractmethod" for decorator in node.decorator_list)
                    }
                    if protocol or abstract:
                        found[argument.arg] = protocol, set(methods) if protocol else abstract, set(members)
        return found

    def _reach(self) -> None:
        members = {name for found in self.order for name, _ in found.body}
        waiting = [(0, name) for name in members if name in self.game or name.startswith("on_")]
        seen: set[tuple[int, str]] = set()
        while waiting:
            start, name = waiting.pop()
            place = next((i for i in range(start, len(self.order)) if name in dict(self.order[i].body)), None)
            if place is None or (place, name) in seen:
                continue
            seen.add((place, name))
            method = dict(self.order[place].body)[name]
            if not isinstance(method, ast.FunctionDef) or place == len(self.order) - 1:
                continue  # the core reads no setting of a variant
            waiting.extend(self._references(method, place))

    def _references(self, method: ast.FunctionDef, place: int) -> Iterator[tuple[int, str]]:
        """Yield the methods that a method calls, and record the attributes that it reads."""
        me = method.args.args[0].arg if method.args.args else "self"
        parents = {id(child): node for node in ast.walk(method) for child in ast.iter_child_nodes(node)}
        silent = _without_gradient(method)
        for node in ast.walk(method):
            if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
                continue
            if ast.unparse(node.value).startswith("super("):
                yield from ((later, node.attr) for later in range(place + 1, len(self.order)))
            elif isinstance(node.value, ast.Name) and node.value.id == me:
                yield 0, node.attr
                if self._counts(node, parents, silent):
                    self.read.add(node.attr)
        for call in _given(method, me):
            there = resolve(call.func, self.order[place].module)
            if there is not None and isinstance(there.node, ast.FunctionDef):
                yield from self._references(there.node, place)
            elif not (isinstance(call.func, ast.Name) and call.func.id in ASKED) or _is_computed(call):
                self.tells = False

    def _counts(self, node: ast.Attribute, parents: Mapping[int, ast.AST], silent: set[int]) -> bool:
        """Return True if this use of an attribute affects the losses, rather than only inspects its type."""
        parent = parents[id(node)]
        if node.attr not in self.types:
            return True
        protocol, methods, known = self.types[node.attr]
        if isinstance(parent, ast.Call) and node in parent.args:
            return ast.unparse(parent.func) not in ASKED
        if isinstance(parent, ast.Compare):
            return False
        if not isinstance(parent, ast.Attribute):
            return id(node) not in silent
        return (parent.attr in methods or (parent.attr not in known and not protocol)) and id(node) not in silent


def _without_gradient(method: ast.FunctionDef) -> set[int]:
    """Return the nodes under torch.no_grad(): their values may be logged, but carry no gradient."""
    roots: list[ast.AST] = []
    if any(ast.unparse(decorator).startswith("torch.no_grad") for decorator in method.decorator_list):
        roots.append(method)
    for node in ast.walk(method):
        if isinstance(node, ast.With) and any("no_grad" in ast.unparse(item.context_expr) for item in node.items):
            roots.append(node)
    return {id(node) for root in roots for node in ast.walk(root)}


def _given(method: ast.FunctionDef, me: str) -> Iterator[ast.Call]:
    """Yield the calls that receive the game itself as an argument."""
    for node in ast.walk(method):
        if isinstance(node, ast.Call):
            given = [*node.args, *(word.value for word in node.keywords)]
            if any(isinstance(argument, ast.Name) and argument.id == me for argument in given):
                yield node


def _is_computed(call: ast.Call) -> bool:
    """Return True if a call reads an attribute whose name is computed."""
    return ast.unparse(call.func) == "getattr"


class _Flows:
    """Uses of a constructor's argument.

    attributes: attributes of the game computed from it.
    handed_on: arguments of the base's constructor computed from it.
    is_used: True if it is passed to anything else, or checked and refused.
    """

    def __init__(self, init: ast.FunctionDef, name: str) -> None:
        self.attributes: set[str] = set()
        self.handed_on: set[str] = set()
        self.is_used = False
        self.names = {name}
        for node in ast.walk(init):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for target in targets:
                    self._assign(target, node.value)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                self._call(node.value)
        refused = any(
            isinstance(node, ast.If) and self._mentions(node.test) and any(isinstance(n, ast.Raise) for n in node.body)
            for node in ast.walk(init)
        )
        self.is_used |= refused and not self.attributes and not self.handed_on

    def _mentions(self, expression: ast.AST) -> bool:
        return any(isinstance(node, ast.Name) and node.id in self.names for node in ast.walk(expression))

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple):
            paired = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
            values = value.elts if paired and isinstance(value, ast.Tuple) else [value] * len(target.elts)
            for part, of in zip(target.elts, values, strict=True):
                self._assign(part, of)
        elif not self._mentions(value):
            return
        elif isinstance(target, ast.Attribute):
            self.attributes.add(target.attr)
        elif isinstance(target, ast.Name):
            self.names.add(target.id)

    def _call(self, call: ast.Call) -> None:
        base = ast.unparse(call.func) == "super().__init__"
        for word in call.keywords:
            if self._mentions(word.value):
                if base and word.arg:
                    self.handed_on.add(word.arg)
                else:
                    self.is_used |= not base
        checks = "check" in ast.unparse(call.func)
        self.is_used |= not base and not checks and any(self._mentions(argument) for argument in call.args)
