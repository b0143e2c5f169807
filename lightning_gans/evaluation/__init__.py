"""Measures of a trained model on a data module's splits, and scores of any two sets of images; no Trainer is needed.

A custom metric is a function in one file: docs/tutorials/metric.md.
"""

from typing import TYPE_CHECKING, Any

from lightning_gans.evaluation.measures import higher, lower, measure, metric

if TYPE_CHECKING:
    from lightning_gans.evaluation.sets.opening import score

__all__ = ["higher", "lower", "measure", "metric", "score"]


def __getattr__(name: str) -> Any:
    if name != "score":  # it imports torch, which the decorators do not
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lightning_gans.evaluation.sets.opening import score

    return score
