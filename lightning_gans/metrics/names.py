"""Metrics by name: better direction and description. Imports nothing heavy.

Measures declare their metrics in decorators (`@metric`, `@measure`, `@reports`, with literal arguments). Those of
`lightning_gans.evaluation` are read from its source files, so that commands that do not import torch know them too. A
user's own measures declare theirs on import.
"""

import ast
import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

Better = Literal["lower", "higher"]
BETTER: tuple[Better, ...] = ("lower", "higher")

# Names of version 0.1, in which metrics did not name their extractor and accuracy was always called test accuracy.
EARLIER = {"test_accuracy": "accuracy"}
EARLIER_FEATURES = ("fid", "kid", "is", "intra_fid", "fid_a2b", "fid_b2a", "fid_both")

# Shipped extractors whose name is part of their metrics' names, unlike Inception's.
EXTRACTORS = ("classifier", "pixels", "coordinates")

ERROR = "_se"  # suffix of a metric's standard error
SPREAD = "_std"  # suffix of its standard deviation over the splits or subsets of its protocol

RESERVED = ("iteration", "images", "seconds")  # columns of metrics.csv


@dataclass(frozen=True)
class Metric:
    """Metric: name, better direction and description of a reported number.

    Args:
        name: letters, digits, `_`, `-` and `.`; in files, tables and loggers.
        better: the better direction.
        help: one line.
        home: the module that declares it.
        features: the metric is computed from an extractor's features: the bare name is Inception's, as in papers, and
            the name of any other extractor is appended (`fid_classifier`).
    """

    name: str
    better: Better
    help: str = ""
    home: str = ""
    features: bool = False


METRICS: dict[str, Metric] = {}


def declare(found: Metric) -> Metric:
    """Add a metric to `METRICS`.

    Raises:
        ValueError: the name has invalid characters, is reserved or belongs to another module; or an unknown direction.
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
    if found.features:
        METRICS.update({f"{found.name}_{word}": _of_extractor(found, word) for word in EXTRACTORS})
    return found


def declare_extractor(word: str) -> None:
    """Declare the feature-based metrics with the name of an extractor, `fid_<word>` and so on; idempotent."""
    for found in [entry for entry in METRICS.values() if entry.features]:
        METRICS.setdefault(f"{found.name}_{word}", _of_extractor(found, word))


def _of_extractor(found: Metric, word: str) -> Metric:
    return replace(found, name=f"{found.name}_{word}", help=f"{found.help}; features: {word}", features=False)


def suffix_of(extractor: str) -> str:
    """Return the suffix of metrics of an extractor called "classifier(digits)", "inception-v3-compat" and so on."""
    return next((f"_{word}" for word in EXTRACTORS if extractor.startswith(word)), "")


def earlier(suffix: str) -> dict[str, str]:
    """Map names of version 0.1 to current ones, for a run measured with the extractor of this suffix."""
    names = {name: f"{name}{suffix}" for name in EARLIER_FEATURES if suffix}
    return EARLIER | names | {f"{name}{SPREAD}": f"{new}{SPREAD}" for name, new in names.items()}


def metric(name: str) -> Metric:
    """Look up the entry of `METRICS` under `name`.

    Raises:
        ValueError: no metric has that name; the message suggests the nearest ones.
    """
    if name in METRICS:
        return METRICS[name]
    nearest = difflib.get_close_matches(name, METRICS, n=3)
    hint = f"did you mean {' or '.join(nearest)}?" if nearest else f"known: {', '.join(METRICS)}."
    raise ValueError(f"There is no metric named {name!r}; {hint}")


def is_better(better: Better, a: float, b: float) -> bool:
    """Return True if `a` is strictly better than `b` in the direction `better`; NaN is worse than any number."""
    if math.isnan(a) or math.isnan(b):
        return not math.isnan(a)
    return a < b if better == "lower" else a > b


def declared_in(source: Path, home: str) -> Iterator[Metric]:
    """Yield the metrics that the decorators of a source file declare; nothing in the file is run."""
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
                        yield Metric(words[0], better, words[1], home, bool(named.get("features")))


def _literal(node: ast.expr) -> Any:
    return node.value if isinstance(node, ast.Constant) else None


def _shipped() -> Iterator[Metric]:
    """Yield the metrics of `lightning_gans.evaluation`, those of sample quality first."""
    package = Path(__file__).parents[1] / "evaluation"
    for source in sorted(package.glob("*.py"), key=lambda file: (file.stem != "quality", file.stem)):
        yield from declared_in(source, f"lightning_gans.evaluation.{source.stem}")


for _found in _shipped():
    declare(_found)
