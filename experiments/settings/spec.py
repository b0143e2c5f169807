"""Specifications of the allowed values of settings, as checks and as text."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WRONG_TYPE = "is not of the right type"
OUT_OF_RANGE = "is out of range"
EMPTY = "is empty"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Base specification: any value. `help` describes the setting."""

    help: str = ""

    def problem(self, value: Any) -> str | None:
        """Return the reason why `value` does not fit, as the end of a sentence; None if it fits."""
        return None

    def allowed(self) -> str:
        """Return the allowed values, as a noun."""
        return "anything"


@dataclass(frozen=True, kw_only=True)
class _Number(Spec):
    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None

    def _in_range(self, value: float) -> bool:
        return (
            (self.min is None or value >= self.min)
            and (self.max is None or value <= self.max)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def _range(self) -> str:
        if self.min is not None and self.max is not None:
            return f" from {self.min} to {self.max}"
        bounds = [
            f"{word} {bound}"
            for word, bound in (
                ("of at least", self.min),
                ("above", self.above),
                ("of at most", self.max),
                ("below", self.below),
            )
            if bound is not None
        ]
        return f" {' and '.join(bounds)}" if bounds else ""


@dataclass(frozen=True, kw_only=True)
class Int(_Number):
    """A whole number: min <= value <= max."""

    def problem(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return WRONG_TYPE
        return None if self._in_range(value) else OUT_OF_RANGE

    def allowed(self) -> str:
        return f"a whole number{self._range()}"


@dataclass(frozen=True, kw_only=True)
class Float(_Number):
    """A finite number: min <= value <= max, above < value < below."""

    def problem(self, value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return WRONG_TYPE
        return None if math.isfinite(value) and self._in_range(value) else OUT_OF_RANGE

    def allowed(self) -> str:
        return f"a number{self._range()}"


@dataclass(frozen=True, kw_only=True)
class Bool(Spec):
    """true or false."""

    def problem(self, value: Any) -> str | None:
        return None if isinstance(value, bool) else WRONG_TYPE

    def allowed(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Choice(Spec):
    """One of a few values; 1 is not true."""

    values: tuple[Any, ...]

    def problem(self, value: Any) -> str | None:
        if any(value == other and type(value) is type(other) for other in self.values):
            return None
        return "is no choice"

    def allowed(self) -> str:
        return " or ".join(filter(None, [", ".join(map(plain, self.values[:-1])), plain(self.values[-1])]))


@dataclass(frozen=True, kw_only=True)
class Text(Spec):
    """A text. empty: True if it may be empty."""

    empty: bool = False

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, str):
            return WRONG_TYPE
        return None if self.empty or value.strip() else EMPTY

    def allowed(self) -> str:
        return "some text"


@dataclass(frozen=True, kw_only=True)
class Path(Text):
    """A non-empty file or folder name. exists: True for a folder that has to exist, checked by `places.check`."""

    exists: bool = False

    def problem(self, value: Any) -> str | None:
        # Hydra parses `run_dir=2024` as a number; it means a folder.
        if isinstance(value, int | float) and not isinstance(value, bool):
            return None
        return super().problem(value)

    def allowed(self) -> str:
        return "a path"


@dataclass(frozen=True)
class Optional(Spec):
    """null, or what `spec` allows."""

    spec: Spec

    def problem(self, value: Any) -> str | None:
        return None if value is None else self.spec.problem(value)

    def allowed(self) -> str:
        return f"{self.spec.allowed()}, or null"


@dataclass(frozen=True)
class OneOf(Spec):
    """Union of `specs`: any value that one of them allows."""

    specs: tuple[Spec, ...]

    def problem(self, value: Any) -> str | None:
        problems = [spec.problem(value) for spec in self.specs]
        # Report the problem of the nearest member.
        return None if None in problems else next((p for p in problems if p in (OUT_OF_RANGE, EMPTY)), problems[0])

    def allowed(self) -> str:
        return ", or ".join(spec.allowed() for spec in self.specs)


@dataclass(frozen=True)
class ListOf(Spec):
    """A list of values that `spec` allows, of the given `length`, if any. empty: True if it may be empty."""

    spec: Spec
    length: int | None = field(default=None, kw_only=True)
    empty: bool = field(default=True, kw_only=True)

    def problem(self, value: Any) -> str | None:
        if isinstance(value, str) or not isinstance(value, Sequence):
            return WRONG_TYPE
        if self.length is not None and len(value) != self.length:
            return f"has {len(value)} entries"
        if not value and not self.empty:
            return EMPTY
        return next((problem for problem in map(self.spec.problem, value) if problem), None)

    def allowed(self) -> str:
        count = "" if self.length is None else f" of {self.length}"
        return f"a list{count}, each {self.spec.allowed()}"


@dataclass(frozen=True, kw_only=True)
class Node(Spec):
    """An object with a `_target_`; its settings are checked by a schema of their own if the target is known."""

    def problem(self, value: Any) -> str | None:
        return None if isinstance(value, Mapping) and "_target_" in value else WRONG_TYPE

    def allowed(self) -> str:
        return "a group of settings with a _target_"


@dataclass(frozen=True)
class Table(Spec):
    """A mapping from arbitrary names to values that `spec` allows."""

    spec: Spec

    def problem(self, value: Any) -> str | None:
        if not isinstance(value, Mapping):
            return WRONG_TYPE
        return next((problem for problem in map(self.spec.problem, value.values()) if problem), None)

    def allowed(self) -> str:
        return f"settings by name, each {self.spec.allowed()}"


def plain(value: Any) -> str:
    """Format a value as typed on the command line: null, true, 0.5, digits, '' for empty text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{...}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(plain, value))}]"
    return str(value) if str(value).strip() else "''"
