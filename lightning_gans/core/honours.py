"""Check for inherited settings without effect, which no method of the game reads."""

import inspect
from collections.abc import Callable, Iterator
from functools import cached_property
from types import CodeType, FunctionType
from typing import Any

from lightning_gans.core.errors import UserError

FRAMEWORKS = ("torch", "pytorch_lightning")


def check_honoured(game: Any, core: type) -> None:
    """Refuse an inherited setting that was changed and has no effect.

    Args:
        game: built, an instance of `core`.
        core: the class that calls the game's methods.

    Raises:
        UserError: names the setting and the remedy.
    """
    cls = type(game)
    inherited = {name: default for name, default in _defaults(cls, core) if _is_kept(game, name)}
    changed = [name for name, default in inherited.items() if _differs(getattr(game, name), default)]
    if not changed:
        return
    declared: tuple[str, ...] | None = getattr(cls, "honours", None)
    read = set(declared) if declared is not None else _read(cls, core)
    for name in changed:
        if name not in read:
            raise UserError(
                f"{name} has no effect on {cls.__name__}, which inherits the setting and overrides the methods that "
                f"read it. Leave it out, or read self.{name} in {cls.__name__}."
            )


def _is_kept(game: Any, name: str) -> bool:
    """Return True if the game stores the setting as its own attribute, or as a submodule."""
    return name in vars(game) or name in dict(game.named_children())


def _differs(value: Any, default: Any) -> bool:
    return value is not default and not (isinstance(value, int | float | str) and value == default)


def _defaults(cls: type, core: type) -> Iterator[tuple[str, Any]]:
    """Settings with a default that only base classes name and keep, each with the default of the nearest one."""
    order = cls.__mro__[: cls.__mro__.index(core)]
    seen: set[str] = set()
    for owner in order:
        init = vars(owner).get("__init__")
        if init is None:
            continue
        for name, parameter in inspect.signature(init).parameters.items():
            inherited = owner is not cls and name not in seen and parameter.default is not inspect.Parameter.empty
            if inherited and name in init.__code__.co_names:  # also an attribute
                yield name, parameter.default
            seen.add(name)


def _read(cls: type, core: type) -> set[str]:
    """Names that occur in the methods reachable from the core, and in the functions that they call."""
    order = cls.__mro__[: cls.__mro__.index(core)]
    waiting = [name for owner in order for name in vars(owner) if name in dir(core) and name != "__init__"]
    names: set[str] = set()
    done: set[CodeType] = set()

    def take(function: FunctionType) -> None:
        for code in _codes(function.__code__):
            if code in done:
                continue
            done.add(code)
            waiting.extend(name for name in code.co_names if name not in names)
            names.update(code.co_names)
            for name in code.co_names:
                called = function.__globals__.get(name)
                if isinstance(called, FunctionType) and called.__module__.partition(".")[0] not in FRAMEWORKS:
                    take(called)

    while waiting:
        name = waiting.pop()
        for owner in order:
            function = _function(vars(owner).get(name))
            if function is not None:
                take(function)
                if "super" not in function.__code__.co_names:
                    break
    return names


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _function(member: Any) -> FunctionType | None:
    """Return the function of a method, a property or a wrapped function."""
    found: Callable[..., Any] | None = member
    if isinstance(member, property):
        found = member.fget
    elif isinstance(member, cached_property):
        found = member.func
    found = inspect.unwrap(found) if callable(found) else None
    return found if isinstance(found, FunctionType) else None
