"""Metrics of outputs for input images: error, structural similarity, FID, and the label of the true output."""

from collections.abc import Iterator
from math import nan
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from lightning_gans.core.data import Data, HasParts, SampleSplit, SplitName
from lightning_gans.core.protocols import GeneratesFromImages
from lightning_gans.evaluation.context import Context
from lightning_gans.evaluation.measures import flat, higher, lower, measure
from lightning_gans.evaluation.splits import held_out, read
from lightning_gans.extractors.base import Extractor, Features
from lightning_gans.metrics.conditional import label_accuracy
from lightning_gans.metrics.estimate import Estimate, mean
from lightning_gans.metrics.frechet import FeatureStatistics, fid


@measure(
    lower("output_l1", "mean absolute error of outputs against the true ones, per number, images in [-1, 1]"),
    higher("ssim", "structural similarity of outputs to the true ones, at most 1"),
    higher("psnr", "peak signal-to-noise ratio of outputs against the true ones, in dB"),
    needs=GeneratesFromImages,
)
def output_error(model: GeneratesFromImages, data: HasParts, split: SplitName) -> dict[str, Estimate]:
    """L1 distance, PSNR and SSIM between outputs and true outputs of held-out inputs; `noise_l1`, their diversity.

    SSIM as in Wang et al. 2004, and PSNR, both per image with a range of 2.
    """
    errors, similar, ratios, apart = [], [], [], []
    for start, a, b in _pairs(data, split):
        made, other = model.generate(a, start=start).to(b), model.generate(a, seed=1, start=start).to(b)
        errors.append((made - b).abs().flatten(1).double().mean(1))
        apart.append((made - other).abs().flatten(1).double().mean(1))
        squares = (made - b).square().flatten(1).double().mean(1)
        ratios.append(10 * (4 / squares.clamp(min=1e-10)).log10())
        similar.append(_ssim(made, b))
    if not errors:
        return {}
    names = ("output_l1", "ssim", "psnr", "noise_l1")
    return {name: mean(torch.cat(of)) for name, of in zip(names, (errors, similar, ratios, apart), strict=True)}


def _pairs(data: HasParts, split: SplitName) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield inputs and outputs of a held-out split, with the position of the first."""
    a, b = (held_out(data.parts[side], split) for side in ("a", "b"))
    start = 0
    for x, y in zip(read(a), read(b), strict=True):
        yield start, x.x, y.x
        start += len(x.x)


def _ssim(made: Tensor, b: Tensor) -> Tensor:
    """Return the SSIM of each image, (N,); the window of Wang et al., a narrower one below 11 pixels."""
    sigma = 1.5 if b.shape[-1] >= 11 else 0.9
    found = structural_similarity_index_measure(made, b, data_range=2.0, sigma=sigma, reduction="none")
    assert isinstance(found, Tensor)
    return found.double().reshape(-1)


@measure(
    lower("fid_output", "FID of outputs against real ones", features=True),
    higher("label_kept", "share of outputs that a classifier gives the label of the true one"),
    needs=GeneratesFromImages,
)
class OutputQuality:
    """FID of outputs for held-out inputs against real outputs, and the share that keeps the true output's label."""

    def __init__(self) -> None:
        self.extractor: Extractor | None = None
        self.reference: FeatureStatistics | None = None
        self.data: HasParts | None = None

    def prepare(self, model: nn.Module, data: Data | HasParts, context: Context) -> None:
        """Make the extractor and read the training outputs; neither if a split has fewer than two."""
        self.extractor = None
        if not isinstance(model, GeneratesFromImages) or not isinstance(data, HasParts):
            return
        b, extractor = data.parts["b"], context.extractor(data.parts["b"])
        if extractor is not None and all(len(b.split(split)) > 1 for split in ("train", "validation", "test")):
            self.extractor, self.reference, self.data = extractor, context.reference(extractor, b), data

    def facts(self) -> dict[str, Any]:
        if self.extractor is None or self.reference is None or self.data is None:
            return {}
        samples = len(held_out(self.data.parts["b"], "validation"))
        return {
            "extractor": self.extractor.name,
            "samples": samples,
            "reference": f"train ({self.reference.n} images)",
        }

    def floor(self, split: SplitName) -> dict[str, float]:
        """Score the true outputs of held-out inputs in place of generated ones."""
        if self.extractor is None or self.data is None:
            return {}
        real = held_out(self.data.parts["b"], split)
        return flat(self._scores([self.extractor(batch.x) for batch in read(real)], real))

    def __call__(self, model: GeneratesFromImages, data: HasParts, split: SplitName) -> dict[str, Estimate]:
        if self.extractor is None or self.data is None:
            return {}
        seen = [self.extractor(model.generate(a, start=start)) for start, a, _ in _pairs(data, split)]
        return self._scores(seen, held_out(self.data.parts["b"], split))

    def _scores(self, seen: list[Features], real: SampleSplit) -> dict[str, Estimate]:
        assert self.extractor is not None
        assert self.reference is not None
        features = torch.cat([part.features for part in seen])
        distance = fid(self.reference, features) if features.isfinite().all() else Estimate(nan, nan)
        scores = {f"fid_output{self.extractor.suffix}": distance}
        probabilities = [part.probabilities for part in seen if part.probabilities is not None]
        if probabilities and real.labels is not None:
            scores["label_kept"] = label_accuracy(torch.cat(probabilities), real.labels)
        return scores
