"""Measures of a trained model on a data module's splits; no Trainer is needed.

A metric of one's own is a function in one file: docs/ADDING_A_METRIC.md.
"""

from lightning_gans.evaluation.measures import higher, lower, measure, metric

__all__ = ["higher", "lower", "measure", "metric"]
