"""Measures: functions and classes that compute metrics of a model on a data module's split.

A decorator registers a measure and declares its metrics. Imports no torch.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isnan
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

from lightning_gans.core.activity import activity
from lightning_gans.core.errors import UserError
from lightning_gans.core.registry import Registry
from lightning_gans.metrics.names import ERROR, SPREAD, Better, Metric, declare

if TYPE_CHECKING:
    from torch import nn

    from lightning_gans.core.data import Data, SplitName
    from lightning_gans.evaluation.context import Context
    from lightning_gans.metrics.estimate import Estimate

T = TypeVar("T")

_ONLY_NAMED = "only_named"  # attribute of a registered measure


class Measure(Protocol):
    """Metrics of an evaluated model on the held-out samples of `data`; the same on every rank.

    split: "validation", during training, or "test". A measure that does not apply to the model returns no metrics. The
    standard error of a metric is returned as `<name>_se`.
    """

    def __call__(self, model: nn.Module, data: Data, split: SplitName) -> dict[str, float]: ...


@runtime_checkable
class Prepares(Protocol):
    """Measure that needs more than a model and its data, such as an extractor."""

    def prepare(self, model: nn.Module, data: Data, context: Context) -> None:
        """Prepare, once, before the first measurement; raises UserError if that is impossible."""


@runtime_checkable
class Referenced(Protocol):
    """Measure with a reference: real samples of the training split."""

    def floor(self, split: SplitName) -> dict[str, float]:
        """Metrics of real held-out samples in place of the model's."""

    def facts(self) -> dict[str, Any]:
        """Protocol: extractor, samples, reference."""


MEASURES: Registry[Callable[..., Any]] = Registry("measure", "lightning_gans.evaluation")


# A decorator that registers functions and classes, called with (model, data, split), as measures.
Registers = Callable[[Any], Any]


def metric(name: str, *, better: Better, help: str = "", needs: type = object, only_named: bool = False) -> Registers:
    """Register a measure of one metric: it returns the number, or None if it does not apply.

    An `Estimate` in place of the number adds its standard error.

    Args:
        name: name in summary.json, metrics.csv, loggers and `experiments.compare`.
        better: the better direction.
        help: one line.
        needs: protocol (`core.protocols`) that a model must implement; other models are not measured.
        only_named: a slow shipped measure, used only if `measures=` names it.
    """

    def register(target: Any) -> Any:
        _declare([Metric(name, better, help, target.__module__)])
        found = _measuring(target, needs, lambda value: {} if value is None else {name: value})
        return MEASURES.add(_only_named(found, only_named))

    return register


def measure(*metrics: Metric, needs: type = object, only_named: bool = False) -> Registers:
    """Register a measure of several metrics: it returns numbers or `Estimate`s by name.

    A number that is not among `metrics` is logged, but has no best value.

    Args:
        metrics: `lower(name, help)`, `higher(name, help)`.
        needs, only_named: as in `metric`.
    """

    def register(target: Any) -> Any:
        _declare([replace(found, home=target.__module__) for found in metrics])
        return MEASURES.add(_only_named(_measuring(target, needs, dict), only_named))

    return register


def reports(*metrics: Metric) -> Callable[[T], T]:
    """Declare the metrics of a function or class that is not a measure itself."""

    def register(target: T) -> T:
        _declare([replace(found, home=target.__module__) for found in metrics])
        return target

    return register


def lower(name: str, help: str, *, features: bool = False) -> Metric:
    """Metric whose lower values are better. features: it is computed from an extractor's features, as in `Metric`."""
    return Metric(name, "lower", help, features=features)


def higher(name: str, help: str, *, features: bool = False) -> Metric:
    """Metric whose higher values are better. features: as in `lower`."""
    return Metric(name, "higher", help, features=features)


def flat(scores: Mapping[str, float | Estimate], suffix: str = "") -> dict[str, float]:
    """Flatten scores to numbers: an estimate of `fid` becomes `fid<suffix>` and `fid<suffix>_se`."""
    found: dict[str, float] = {}
    for name, value in scores.items():
        of = f"{name.removesuffix(SPREAD)}{suffix}" + (SPREAD if name.endswith(SPREAD) else "")
        if isinstance(value, tuple):
            found |= {of: value.value} | ({} if isnan(value.error) else {f"{of}{ERROR}": value.error})
        else:
            found[of] = float(value)
    return found


def measures(also: str | Sequence[str | Mapping[str, Any]] = ()) -> list[Measure]:
    """Return one of each shipped measure, and those named in `also`.

    Args:
        also: shipped measures that are used only if named ("cas"); dotted names of registered measures or of modules
            that register some ("my_metrics.sharpness", "my_metrics"); a mapping gives a class its settings:
            {"_target_": "my_metrics.Sharpness", "samples": 100}. They are imported, so they must come from the user's
            own command line or configuration.

    Raises:
        UserError: a name that cannot be imported or registers no measure, or settings that do not fit.
    """
    from lightning_gans.models.spec import build

    shipped = MEASURES.shipped()
    found = [_instance(target) for target in shipped if not getattr(target, _ONLY_NAMED, False)]
    asked = {target.__name__: target for target in shipped if getattr(target, _ONLY_NAMED, False)}
    for entry in [also] if isinstance(also, str) else also:
        if isinstance(entry, str) and entry in asked:
            found.append(_instance(asked[entry]))
        elif isinstance(entry, str):
            found += [_instance(target) for target in MEASURES.named(entry)]
        else:
            MEASURES.named(str(entry.get("_target_")))
            found.append(build(entry, trusted=True))
    return found


def _instance(target: Any) -> Measure:
    try:
        made: Any = target() if inspect.isclass(target) else target
    except TypeError as error:
        name = f"{target.__module__}.{target.__qualname__}"
        raise UserError(f"{name}: {error}. Give it its settings: {{_target_: {name}, ...}}.") from error
    return cast(Measure, made)


def _declare(metrics: Sequence[Metric]) -> None:
    for found in metrics:
        try:
            declare(found)
        except ValueError as error:
            raise UserError(str(error)) from error


def _only_named(target: Any, value: bool) -> Any:
    setattr(target, _ONLY_NAMED, value)
    return target


def _measuring(target: Any, needs: type, named: Callable[[Any], Mapping[str, float | Estimate]]) -> Any:
    """Wrap a function, or the `__call__` of a class, as a measure: {} for other models, results by name."""
    call = target.__call__ if inspect.isclass(target) else target
    title = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", target.__name__).lower()

    @functools.wraps(call)
    def measuring(*arguments: Any) -> dict[str, float]:
        *_, model, _data, _split = arguments  # a method has `self` before
        if not isinstance(model, needs):
            return {}
        with activity(title):
            return flat(named(call(*arguments)))

    if not inspect.isclass(target):
        return measuring
    setattr(target, "__call__", measuring)  # noqa: B010
    return target
