"""Image translation: cycle error, and FID and label accuracy in each direction."""

import logging
from collections.abc import Mapping
from math import hypot, nan
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.core.data import SPLITS, Data, HasDomains, HasParts, SampleSplit, SplitName
from lightning_gans.core.protocols import DIRECTIONS, Direction, Translates
from lightning_gans.evaluation.context import Context
from lightning_gans.evaluation.measures import flat, higher, lower, measure, metric
from lightning_gans.evaluation.splits import held_out, read
from lightning_gans.extractors.base import Extractor, Features
from lightning_gans.metrics.conditional import label_accuracy
from lightning_gans.metrics.estimate import Estimate, mean
from lightning_gans.metrics.frechet import FeatureStatistics, fid

log = logging.getLogger("lightning_gans")

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601


def source(direction: Direction) -> str:
    """Source domain of a direction, "a" or "b"."""
    return direction[0]


def target(direction: Direction) -> str:
    """Target domain of a direction, "a" or "b"."""
    return direction[-1]


def back(direction: Direction) -> Direction:
    """Opposite direction."""
    return "b2a" if direction == "a2b" else "a2b"


@metric(
    "cycle_l1",
    better="lower",
    help="mean absolute error of there-and-back translation, per pixel, images in [-1, 1]",
    needs=Translates,
)
def cycle(model: Translates, data: HasParts, split: SplitName) -> Estimate | None:
    """Cycle error: mean of |x translated there and back - x| over the images of both domains, with equal weights."""
    errors: list[Estimate] = []
    for direction in DIRECTIONS:
        found = []
        if not len(data.parts[source(direction)].split(split)):
            return None  # a folder with one or two images
        for batch in read(held_out(data.parts[source(direction)], split)):
            again = model.translate(model.translate(batch.x, direction), back(direction))
            found.append((again.to(batch.x) - batch.x).abs().flatten(1).double().mean(1).cpu())
        errors.append(mean(torch.cat(found)))
    return Estimate(sum(error.value for error in errors) / 2, hypot(*(error.error for error in errors)) / 2)


@measure(
    lower("fid_a2b", "FID of translations A to B against real B", features=True),
    lower("fid_b2a", "FID of translations B to A against real A", features=True),
    lower("fid_both", "mean of fid_a2b and fid_b2a", features=True),
    higher("label_accuracy_a2b", "share of translations A to B that keep the label of their source"),
    higher("label_accuracy_b2a", "share of translations B to A that keep the label of their source"),
    needs=Translates,
)
class TranslationQuality:
    """FID of translations in each direction, and the share of translations that keep the class of their source.

    Held-out images of each domain are translated. For each direction, with features of the target domain's extractor:
    `fid_a2b` against the target's training images; `fid_a2b_untranslated`, that of the untranslated source (in the
    target's number of channels), a baseline for the translator; and `label_accuracy_a2b`, the share of translations
    that the target domain's classifier assigns to the label of their source, if both domains have the same classes.
    `fid_both` is the mean of the two FIDs.
    """

    def __init__(self) -> None:
        self.domains: Mapping[str, Data] = {}
        self.extractors: dict[str, Extractor] = {}
        self.references: dict[str, FeatureStatistics] = {}
        self.suffix = ""  # of the extractors' metrics

    def prepare(self, model: nn.Module, data: Data | HasDomains, context: Context) -> None:
        """Make the extractors and read the training images of both domains; neither if a split has too few images."""
        self.extractors = {}
        if not isinstance(model, Translates) or not isinstance(data, HasDomains):
            return
        for domain, part in data.domains.items():
            extractor = context.extractor(part)
            if extractor is None:
                return
            self.extractors[domain] = extractor
            for split in SPLITS:
                if (count := len(part.split(split))) < 2:
                    log.warning(
                        "Domain %s has %d %s image(s), and an FID is of two or more: the cycle alone is measured.",
                        *(domain.upper(), count, split),
                    )
                    self.extractors = {}
                    return
            self.references[domain], self.suffix = context.reference(extractor, part), extractor.suffix
        self.domains = data.domains

    def facts(self) -> dict[str, Any]:
        if not self.extractors:
            return {}
        names = ", ".join(dict.fromkeys(extractor.name for extractor in self.extractors.values()))
        counts = " and ".join(f"{self.references[domain].n}" for domain in self.extractors)
        samples = sum(len(held_out(part, "validation")) for part in self.domains.values())
        return {"extractor": names, "samples": samples, "reference": f"train ({counts} images)"}

    def floor(self, split: SplitName) -> dict[str, float]:
        """Score real held-out images of the target domain in place of translations."""
        if not self.extractors:
            return {}
        found: dict[str, Estimate] = {}
        for direction in DIRECTIONS:
            real = held_out(self.domains[target(direction)], split)
            found |= self._scores(direction, [self._seen(direction, batch.x) for batch in read(real)], real)
        return flat(self._both(found))

    def __call__(self, model: Translates, data: Data, split: SplitName) -> dict[str, Estimate]:
        if not self.extractors:
            return {}
        found: dict[str, Estimate] = {}
        for direction in DIRECTIONS:
            real = held_out(self.domains[source(direction)], split)
            made, untranslated = [], []
            channels = self.domains[target(direction)].sample_shape[0]
            for batch in read(real):
                made.append(self._seen(direction, model.translate(batch.x, direction)))
                untranslated.append(self._seen(direction, _with_channels(batch.x, channels)))
            found |= self._scores(direction, made, real)
            found[f"fid_{direction}_untranslated{self.suffix}"] = self._fid(direction, untranslated)
        return self._both(found)

    def _seen(self, direction: Direction, x: Tensor) -> Features:
        return self.extractors[target(direction)](x)

    def _fid(self, direction: Direction, seen: list[Features]) -> Estimate:
        features = torch.cat([part.features for part in seen])
        if not features.isfinite().all():
            return Estimate(nan, nan)
        return fid(self.references[target(direction)], features)

    def _scores(self, direction: Direction, seen: list[Features], real: SampleSplit) -> dict[str, Estimate]:
        scores = {f"fid_{direction}{self.suffix}": self._fid(direction, seen)}
        probabilities = [part.probabilities for part in seen if part.probabilities is not None]
        if probabilities and real.labels is not None and self._classes() == probabilities[0].shape[1]:
            scores[f"label_accuracy_{direction}"] = label_accuracy(torch.cat(probabilities), real.labels)
        return scores

    def _classes(self) -> int:
        """Return the number of classes that both domains share; 0 if their classes differ."""
        a, b = (self.domains[domain].classes for domain in ("a", "b"))
        return len(a) if a and a == b else 0

    def _both(self, found: dict[str, Estimate]) -> dict[str, Estimate]:
        one, other = (found[f"fid_{direction}{self.suffix}"] for direction in DIRECTIONS)
        both = Estimate((one.value + other.value) / 2, hypot(one.error, other.error) / 2)
        return found | {f"fid_both{self.suffix}": both}


def _with_channels(x: Tensor, channels: int) -> Tensor:
    """Convert images (N, C, H, W) to grey (1 channel) by luma, or to RGB (3 channels) by repetition."""
    if x.shape[1] == 3 and channels == 1:
        return (x * x.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    return x.expand(-1, channels, -1, -1)
