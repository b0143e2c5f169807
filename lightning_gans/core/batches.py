"""Typed batches: what a data module gives and a variant names."""

from typing import NamedTuple

from torch import Tensor


class SampleBatch(NamedTuple):
    """A draw from the data distribution p.

    x: images (N, C, H, W), float in [-1, 1]; or points (N, d), float, in the data's own units.
    label: (N,) int64 class indices, or None where the data has no labels.
    """

    x: Tensor
    label: Tensor | None = None
