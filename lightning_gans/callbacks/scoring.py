"""All the numbers there are of a model: of its samples, and of what else it can do."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from lightning_gans.callbacks.measures import MEASURES, Measure, Prepares
from lightning_gans.callbacks.quality import SampleQuality
from lightning_gans.core.events import Evidence
from lightning_gans.core.interruption import poll
from lightning_gans.core.protocols import Samples

MakesQuality = Callable[[nn.Module, Any, torch.device], SampleQuality | None]


class Scoring:
    """What a model can do is measured, and what it cannot is left out. `prepare` comes before all else.

    Args:
        quality: a model that samples, its data, a device -> the measure of samples; None: samples are not measured.
        measures: what else is measured.
    """

    def __init__(self, quality: MakesQuality, measures: Sequence[Measure] = MEASURES) -> None:
        self.quality_for, self.measures = quality, measures
        self.quality: SampleQuality | None = None

    def prepare(self, model: nn.Module, data: Any, device: torch.device) -> None:
        """Make extractors and read the real samples."""
        if isinstance(model, Samples):
            self.quality = self.quality_for(model, data, device)
        for measure in self._prepared:
            measure.prepare(model, data, device)

    @property
    def _prepared(self) -> list[Prepares]:
        return [measure for measure in self.measures if isinstance(measure, Prepares)]

    def floor(self, split: str) -> dict[str, float]:
        """What a perfect model would score: real samples of `split` in the place of generated ones."""
        floor = {} if self.quality is None else self.quality.floor(split)
        for measure in self._prepared:
            floor |= measure.floor(split)
        return floor

    def facts(self, split: str = "validation") -> dict[str, Any]:
        """What the numbers are of: extractor, sample count and reference."""
        facts = {name: value for measure in self._prepared for name, value in measure.facts().items()}
        if self.quality is not None:
            facts |= {
                "extractor": self.quality.extractor.name,
                "samples": self.quality.count(split),
                "reference": f"train ({self.quality.reference.statistics.n} samples)",
            }
        return facts

    def drawn_again(self, model: nn.Module, split: str, draw: int) -> dict[str, float]:
        """The scores of samples other than those of a call, the same for the same draw >= 1; samples are measured."""
        assert self.quality is not None
        return self.quality.measure(model, split, draw=draw).scores

    def __call__(self, model: nn.Module, data: Any, split: str) -> Evidence:
        """The scores on "validation" or "test"; the same on every rank, and every rank calls it."""
        evidence = Evidence({})
        if self.quality is not None and isinstance(model, Samples):
            evidence = self.quality.measure(model, split)
        if hasattr(data, "split"):
            for measure in self.measures:
                poll()
                evidence.scores.update(measure(model, data, split))
        return evidence
