"""What a run is measured by, from its settings: extractors, statistics of real samples, all measures."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import nn

from lightning_gans.callbacks.disentanglement import Disentanglement
from lightning_gans.callbacks.domains import adaptation
from lightning_gans.callbacks.measures import MEASURES, Measure
from lightning_gans.callbacks.quality import SampleQuality
from lightning_gans.callbacks.scoring import Scoring
from lightning_gans.callbacks.translation import TranslationQuality, cycle
from lightning_gans.core.files import cache_folder
from lightning_gans.core.protocols import SamplesByLabel
from lightning_gans.extractors.base import Extractor
from lightning_gans.extractors.reference import class_reference, reference_statistics
from lightning_gans.metrics.frechet import FeatureStatistics
from lightning_gans.models.spec import build

# Shows something that takes its time: a title -> what is told the share that is done.
Task = Callable[[str], AbstractContextManager[Callable[[float], None]]]


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
