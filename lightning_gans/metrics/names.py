"""Metrics by name: the better direction and a line of description. Imports nothing heavy.

Measures declare their metrics in decorators (`@metric`, `@measure`, `@reports`, with literal arguments). Those of
`lightning_gans.evaluation` are read from its source files, so a command that imports no torch knows them as well.
Measures of a user's own declare theirs on import.
"""

import ast
import difflib
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Better = Literal["lower", "higher"]
BETTER: tuple[Better, ...] = ("lower", "higher")

# Names of earlier versions, which files keep beside the present ones: earlier -> present.
EARLIER = {"test_accuracy": "accuracy"}

RESERVED = ("iteration", "images", "seconds")  # columns of metrics.csv


@dataclass(frozen=True)
class Metric:
    """Meaning of a reported number.

    Args:
        name: letters, digits, `_`, `-` and `.`; in files, tables and loggers.
        better: the better direction.
        help: one line.
        home: the module that declares it.
    """

    name: str
    better: Better
    help: str = ""
    home: str = ""


METRICS: dict[str, Metric] = {}


def declare(found: Metric) -> Metric:
    """Add a metric to `METRICS`.

    Raises:
        ValueError: the name is of other characters, reserved, or another module's; or there is no such direction.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,79}", found.name) or found.name in RESERVED:
        raise ValueError(
            f"{found.home}: a metric cannot be named {found.name!r}. Choose letters, digits and _, other than "
            f"{', '.join(RESERVED)}."
        )
    if found.better not in BETTER:
        raise ValueError(f"{found.home}: better={found.better!r} of metric {found.name} must be 'lower' or 'higher'.")
    known = METRICS.get(found.name)
    if known is not None and known.home != found.home:
        raise ValueError(f"{found.home}: {known.home} has a metric {found.name} already. Choose another name.")
    METRICS[found.name] = found
    return found


def metric(name: str) -> Metric:
    """The entry of `METRICS` under `name`.

    Raises:
        ValueError: no metric has that name; the message suggests the nearest ones.
    """
    if name in METRICS:
        return METRICS[name]
    nearest = difflib.get_close_matches(name, METRICS, n=3)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"known: {', '.join(METRICS)}."
    raise ValueError(f"There is no metric named {name!r}; {hint}")


def present(names: Iterable[str]) -> list[str]:
    """The names without the earlier one of any metric that is there under its present one."""
    names = list(names)
    return [name for name in names if EARLIER.get(name) not in names]


def is_better(better: Better, a: float, b: float) -> bool:
    """Whether `a` is strictly better than `b` where `better` is the better direction; NaN is worse than any number."""
    if math.isnan(a) or math.isnan(b):
        return not math.isnan(a)
    return a < b if better == "lower" else a > b


def declared_in(source: Path, home: str) -> Iterator[Metric]:
    """The metrics that the decorators of a source file declare; nothing of the file is run."""
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
        for call in (found for decorator in decorators for found in ast.walk(decorator)):
            if isinstance(call, ast.Call):
                words: list[Any] = [_literal(argument) for argument in call.args]
                named: dict[str | None, Any] = {word.arg: _literal(word.value) for word in call.keywords}
                match ast.unparse(call.func):
                    case "metric":
                        yield Metric(words[0], named["better"], named.get("help", ""), home)
                    case "lower" | "higher" as better:
                        yield Metric(words[0], better, words[1], home)


def _literal(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _shipped() -> Iterator[Metric]:
    """The metrics of `lightning_gans.evaluation`, those of sample quality first."""
    package = Path(__file__).parents[1] / "evaluation"
    for source in sorted(package.glob("*.py"), key=lambda file: (file.stem != "quality", file.stem)):
        yield from declared_in(source, f"lightning_gans.evaluation.{source.stem}")


for _found in _shipped():
    declare(_found)
