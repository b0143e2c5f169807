"""Scoring: every number that is measured of a model, and its construction from a run's settings."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import nn

from lightning_gans.core.events import Evidence
from lightning_gans.core.files import cache_folder
from lightning_gans.core.interruption import poll
from lightning_gans.core.protocols import Samples, SamplesByLabel
from lightning_gans.evaluation.disentanglement import Disentanglement
from lightning_gans.evaluation.domains import adaptation
from lightning_gans.evaluation.measures import MEASURES, Measure, Prepares
from lightning_gans.evaluation.quality import SampleQuality
from lightning_gans.evaluation.references import class_reference, reference_statistics
from lightning_gans.evaluation.translation import TranslationQuality, cycle
from lightning_gans.extractors.base import Extractor
from lightning_gans.metrics.frechet import FeatureStatistics
from lightning_gans.models.spec import build

MakesQuality = Callable[[nn.Module, Any, torch.device], SampleQuality | None]

# Shows something that takes its time: a title -> what is told the share that is done.
Task = Callable[[str], AbstractContextManager[Callable[[float], None]]]


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


def make_scoring(metrics: Mapping[str, Any], *, samples: int | None, task: Task) -> Scoring:
    """All measures, with the extractor that `metrics` describes. samples: as for SampleQuality."""
    extractor_for = partial(_extractor, metrics, task)
    translation = TranslationQuality(extractor_for, _statistics)
    measures: list[Measure] = [*MEASURES, cycle, adaptation, Disentanglement(), translation]
    return Scoring(partial(_sample_quality, extractor_for, samples), measures)


def _extractor(metrics: Mapping[str, Any], task: Task, data: Any, device: torch.device) -> Extractor | None:
    with task("preparing the evaluation") as report:
        make = build(metrics, trusted=True)
        found: Extractor | None = make(data, cache_dir=cache_folder(), device=device, progress=report)
        return found


def _sample_quality(
    extractor_for: Callable[[Any, torch.device], Extractor | None],
    samples: int | None,
    model: nn.Module,
    data: Any,
    device: torch.device,
) -> SampleQuality | None:
    extractor, cache = extractor_for(data, device), cache_folder()
    if extractor is None:
        return None
    references = {
        split: reference_statistics(extractor, data.split(split), cache, f"{data.fingerprint} {split}")
        for split in ("train", "validation", "test")
    }
    return SampleQuality(
        extractor=extractor,
        reference=references["train"],
        held_out={split: references[split].features for split in ("validation", "test")},
        modes=data.modes,
        samples=samples,
        classes=class_reference(extractor, data, cache) if isinstance(model, SamplesByLabel) else None,
    )


def _statistics(extractor: Extractor, domain: Any) -> FeatureStatistics:
    """Of a domain's training images."""
    key = f"{domain.fingerprint} train"
    return reference_statistics(extractor, domain.split("train"), cache_folder(), key).statistics
