"""Scoring: every metric of a model on a data module's split, without a Trainer."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from lightning_gans.core.activity import activity
from lightning_gans.core.data import SPLITS, Data, SplitName
from lightning_gans.core.events import Evidence
from lightning_gans.core.interruption import poll
from lightning_gans.core.protocols import Samples, SamplesByLabel
from lightning_gans.evaluation.context import Context, Task
from lightning_gans.evaluation.measures import Measure, Prepares, Referenced, measures
from lightning_gans.evaluation.quality import SampleQuality
from lightning_gans.evaluation.references import class_reference, known_floor, reference_statistics
from lightning_gans.metrics.names import METRICS
from lightning_gans.metrics.scores import Reference

MakesQuality = Callable[[nn.Module, Data, Context], SampleQuality | None]

OWN = {"_target_": "lightning_gans.extractors.factories.own", "_partial_": True}  # metrics=own


class Scoring:
    """Sample quality and all measures of a model; `prepare` must be called first.

    Args:
        quality: a model that samples, its data, the context -> its sample quality; None: samples are not measured.
        measures: all other measures.
        context: a device -> the context of the evaluation; None: a context without an extractor.
    """

    def __init__(
        self,
        quality: MakesQuality,
        measures: Sequence[Measure] = (),
        context: Callable[[torch.device], Context] | None = None,
    ) -> None:
        self.quality_for, self.measures = quality, measures
        self.context = context or partial(Context, OWN)
        self.quality: SampleQuality | None = None
        self.suffix = ""  # of feature-based metrics

    def prepare(self, model: nn.Module, data: Data | None, device: torch.device) -> None:
        """Make extractors and read the real samples."""
        if data is None:
            return
        with activity("reading the data", None):
            for split in SPLITS if hasattr(data, "split") else ():
                data.split(split)
        context = self.context(device)
        if isinstance(model, Samples):
            self.quality = self.quality_for(model, data, context)
        for measure in self.measures:
            if isinstance(measure, Prepares):
                measure.prepare(model, data, context)
        self.suffix = context.suffix

    def named(self, metric: str) -> str:
        """Return the full name of a metric under this extractor: `fid` becomes `fid_classifier`."""
        found = METRICS.get(metric)
        return f"{metric}{self.suffix}" if found is not None and found.features else metric

    @property
    def _referenced(self) -> list[Referenced]:
        return [measure for measure in self.measures if isinstance(measure, Referenced)]

    def floor(self, split: SplitName) -> dict[str, float]:
        """Metrics of real samples of `split` in place of the model's: the scores of a perfect model."""
        floor = {} if self.quality is None else self.quality.floor(split)
        for measure in self._referenced:
            floor |= measure.floor(split)
        return floor

    def facts(self, split: SplitName = "validation") -> dict[str, Any]:
        """Protocol: extractor, sample count and reference."""
        facts = {name: value for measure in self._referenced for name, value in measure.facts().items()}
        if self.quality is not None:
            facts |= {
                "extractor": self.quality.extractor.name,
                "samples": self.quality.count(split),
                "reference": f"train ({self.quality.reference.statistics.n} samples)",
                "floor_samples": self.quality.floor_samples(split),
            }
            if classes := self.quality.extractor.classes:
                facts["classes"] = classes
        return facts

    def drawn_again(self, model: nn.Module, split: SplitName, draw: int) -> dict[str, float]:
        """Scores of other samples than those of `__call__`, the same for the same draw >= 1; of sample quality only."""
        assert self.quality is not None
        return self.quality.measure(model, split, draw=draw).scores

    def __call__(self, model: nn.Module, data: Data | None, split: SplitName) -> Evidence:
        """Scores on "validation" or "test"; the same on every rank, and every rank calls it."""
        evidence = Evidence({})
        if self.quality is not None and isinstance(model, Samples):
            evidence = self.quality.measure(model, split)
        if data is not None and hasattr(data, "split"):
            for measure in self.measures:
                poll()
                evidence.scores.update(measure(model, data, split))
        return evidence


def make_scoring(
    metrics: Mapping[str, Any],
    *,
    samples: int | None = None,
    test_samples: int | None = None,
    task: Task = activity,
    also: str | Sequence[str | Mapping[str, Any]] = (),
) -> Scoring:
    """Create the scoring of sample quality and all shipped measures, with the extractor that `metrics` describes.

    Args:
        metrics: the `metrics` group of a run's settings: `_target_` of an extractor's factory, `_partial_`.
        samples, test_samples: as in SampleQuality.
        task: displays the creation of an extractor.
        also: the user's own measures, as in `measures`.
    """
    return Scoring(
        partial(_sample_quality, samples, test_samples), measures(also), partial(Context, metrics, task=task)
    )


def _sample_quality(
    samples: int | None, test_samples: int | None, model: nn.Module, data: Data, context: Context
) -> SampleQuality | None:
    extractor, cache = context.extractor(data), context.cache_dir
    if extractor is None:
        return None
    references = {
        split: reference_statistics(extractor, data.split(split), cache, f"{data.fingerprint} {split}")
        if len(data.split(split))
        else Reference.of(torch.empty(0, extractor.feature_dim))
        for split in SPLITS
    }
    by_class = class_reference(extractor, data, cache) if isinstance(model, SamplesByLabel) else None

    def floors(split: SplitName, count: int, compute: Callable[[], dict[str, float]]) -> dict[str, float]:
        key = extractor.fingerprint, data.fingerprint, split, count, by_class is not None
        return known_floor(cache / "references", key, compute)

    return SampleQuality(
        extractor=extractor,
        reference=references["train"],
        held_out={split: references[split] for split in ("validation", "test")},
        modes=data.modes,
        samples=samples,
        test_samples=test_samples,
        classes=by_class,
        names=data.classes,
        floors=floors,
    )
