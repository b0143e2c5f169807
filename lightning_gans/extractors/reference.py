"""The features of real samples, computed once and kept on disk."""

from pathlib import Path

import torch
from torch import Tensor

from lightning_gans.core.rng import stream
from lightning_gans.extractors.base import Extractor, Progress, Split
from lightning_gans.extractors.cache import Kept, digest, kept
from lightning_gans.metrics.frechet import FeatureStatistics
from lightning_gans.metrics.scores import Reference

FEATURES_KEPT = 10_000  # rows kept for the kernel distance, which draws subsets of 1,000
_READ = 256  # samples read at a time; fixed, since sums in another order differ in the last bits


def reference_statistics(
    extractor: Extractor, split: Split, cache_dir: str | Path, key: str, *, progress: Progress | None = None
) -> Reference:
    """Statistics of all samples of `split`, and the features of up to 10,000 of them, chosen at random.

    key: names data and split, say the data's fingerprint and "train"; with the extractor's fingerprint it names the
    file in cache_dir/references. A damaged file is computed again.
    progress: called with the share of samples done; not at all where the cache has it.

    Raises:
        ValueError: a split without samples.
    """
    name = digest("reference", 1, extractor.fingerprint, key, FEATURES_KEPT)
    tensors, record = kept(
        Path(cache_dir) / "references" / f"{name}.safetensors",
        lambda: _compute(extractor, split, key, progress),
    )
    statistics = FeatureStatistics(record["samples"], tensors["mean"], tensors["scatter"])
    return Reference(statistics, tensors["features"])


def _compute(extractor: Extractor, split: Split, key: str, progress: Progress | None) -> Kept:
    if len(split) == 0:
        raise ValueError("A reference needs samples, and this split has none.")
    chosen = torch.zeros(len(split), dtype=torch.bool)
    chosen[torch.randperm(len(split), generator=stream("reference"))[:FEATURES_KEPT]] = True
    statistics = FeatureStatistics.empty(extractor.feature_dim)
    rows: list[Tensor] = []
    for batch in split.batches(_READ):
        features = extractor(batch.x).features.cpu()
        rows.append(features[chosen[statistics.n : statistics.n + len(features)]])
        statistics = statistics.merge(FeatureStatistics.of(features))
        if progress is not None:
            progress(statistics.n / len(split))
    record = {"extractor": extractor.name, "key": key, "samples": statistics.n}
    tensors = {"mean": statistics.mean, "scatter": statistics.scatter, "features": torch.cat(rows)}
    return Kept(tensors, record)
