"""Context of an evaluation: the device, and the feature extractor of each data module."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Data
from lightning_gans.core.files import cache_folder
from lightning_gans.evaluation.references import reference_statistics
from lightning_gans.extractors.base import Extractor
from lightning_gans.metrics.frechet import FeatureStatistics
from lightning_gans.metrics.names import declare_extractor
from lightning_gans.models.spec import build

# A display for slow work: a title -> a callable that receives the finished share.
Task = Callable[[str], AbstractContextManager[Callable[[float], None]]]


class Context:
    """Device and feature extractors of an evaluation.

    Args:
        metrics: the `metrics` group: a `_target_` of `lightning_gans.extractors.factories`, `_partial_`.
        device: device of models and extractors.
        task: displays the creation of an extractor.
        cache_dir: folder of extractors and reference statistics.
    """

    def __init__(
        self, metrics: Mapping[str, Any], device: torch.device, *, task: Task = activity, cache_dir: Path | None = None
    ) -> None:
        self.metrics, self.device, self.task = metrics, device, task
        self.cache_dir = cache_dir or cache_folder()
        self.suffix = ""  # of the extractors, which are all of one kind
        self._extractors: dict[str, Extractor | None] = {}

    def extractor(self, data: Data) -> Extractor | None:
        """Return the feature extractor of these data; None with `metrics=own`, which measures without one."""
        if data.fingerprint not in self._extractors:
            with self.task("feature extractor") as report:
                make = build(self.metrics, trusted=True)
                made = make(data, cache_dir=self.cache_dir, device=self.device, progress=report)
            self._extractors[data.fingerprint] = made
            self.suffix = "" if made is None else made.suffix
            if self.suffix:
                declare_extractor(self.suffix.removeprefix("_"))
        return self._extractors[data.fingerprint]

    def reference(self, extractor: Extractor, data: Data) -> FeatureStatistics:
        """Statistics of the training split's features."""
        key = f"{data.fingerprint} train"
        return reference_statistics(extractor, data.split("train"), self.cache_dir, key).statistics
