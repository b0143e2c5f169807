"""Reference statistics: features of real samples, computed once and cached on disk."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Data, SampleSplit
from lightning_gans.core.rng import stream
from lightning_gans.extractors.base import Extractor, Progress
from lightning_gans.extractors.cache import Kept, digest, kept
from lightning_gans.metrics.conditional import ClassReference
from lightning_gans.metrics.frechet import FeatureStatistics
from lightning_gans.metrics.scores import Reference

FEATURES_KEPT = 10_000  # rows stored for the kernel distance, which draws subsets of 1,000
FLOORS = 1  # version of a floor's metrics: raise it if a metric is added or changes
CLASSES_BYTES = 2**30  # of all classes' statistics: 100 classes of 2,048 features would take three times that
_READ = 256  # samples read at a time; fixed, since sums in another order differ in the last bits

_ROWS = 1024  # rows of a class added to its statistics at a time

log = logging.getLogger(__name__)


def reference_statistics(
    extractor: Extractor,
    split: SampleSplit,
    cache_dir: str | Path,
    key: str,
    *,
    progress: Progress | None = None,
) -> Reference:
    """Return statistics of all samples of `split`, and features and class probabilities of up to 10,000 random ones.

    key: names data and split, e.g. by the data's fingerprint and "train"; with the extractor's fingerprint it names the
    file in cache_dir/references. A damaged file is computed again.
    progress: called with the finished share of samples; not called if the cache has the result.

    Raises:
        ValueError: a split without samples.
    """
    name = digest("reference", 2, extractor.fingerprint, key, FEATURES_KEPT)
    tensors, record = kept(
        Path(cache_dir) / "references" / f"{name}.safetensors",
        lambda: _compute(extractor, split, key, progress),
    )
    statistics = FeatureStatistics(record["samples"], tensors["mean"], tensors["scatter"])
    return Reference(statistics, tensors["features"], tensors.get("probabilities"))


def _compute(extractor: Extractor, split: SampleSplit, key: str, progress: Progress | None) -> Kept:
    if len(split) == 0:
        raise ValueError("A reference needs samples, and this split has none.")
    chosen = _chosen(len(split))
    statistics = FeatureStatistics.empty(extractor.feature_dim)
    rows: list[Tensor] = []
    likely: list[Tensor] = []
    with activity("features of real samples", len(split)) as report:
        for batch in split.batches(_READ):
            found = extractor(batch.x)
            features = found.features.cpu()
            mine = chosen[statistics.n : statistics.n + len(features)]
            rows.append(features[mine])
            if found.probabilities is not None:
                likely.append(found.probabilities.cpu()[mine])
            statistics = statistics.merge(FeatureStatistics.of(features))
            report(statistics.n)
            if progress is not None:
                progress(statistics.n / len(split))
    record = {"extractor": extractor.name, "key": key, "samples": statistics.n}
    tensors = {"mean": statistics.mean, "scatter": statistics.scatter, "features": torch.cat(rows)}
    return Kept(tensors | ({"probabilities": torch.cat(likely)} if likely else {}), record)


def known_floor(folder: Path, key: Sequence[object], compute: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Return scores of real samples: from the cache in `folder`, or computed and stored there.

    key: plain values of everything that they depend on.
    """
    kept_floor = kept(folder / f"{digest('floor', FLOORS, *key)}.safetensors", lambda: Kept({}, {"floor": compute()}))
    return {name: float(value) for name, value in kept_floor.record["floor"].items()}


def _chosen(n: int) -> Tensor:
    """Choose the samples with stored features, as a mask (n,) of bool."""
    chosen = torch.zeros(n, dtype=torch.bool)
    chosen[torch.randperm(n, generator=stream("reference"))[:FEATURES_KEPT]] = True
    return chosen


def class_reference(
    extractor: Extractor, data: Data, cache_dir: str | Path, *, progress: Progress | None = None
) -> ClassReference | None:
    """Return statistics of each class of the train split, and the labels of the stored held-out features.

    None if the data have no labels, or if the statistics would take more than 1 GiB. Cache and progress are as in
    `reference_statistics`.
    """
    train = data.split("train")
    if data.classes is None or train.labels is None:
        return None
    classes, dim = len(data.classes), extractor.feature_dim
    if classes * dim * dim * 8 > CLASSES_BYTES:
        log.info("intra_fid is left out: %d classes of %d features take too much memory", classes, dim)
        return None
    name = digest("classes", 1, extractor.fingerprint, data.fingerprint, classes)
    tensors, record = kept(
        Path(cache_dir) / "references" / f"{name}.safetensors",
        lambda: _compute_classes(extractor, train, classes, f"{data.fingerprint} train", progress),
    )
    columns = record["samples"], tensors["mean"], tensors["scatter"]
    statistics = [FeatureStatistics(n, mean, scatter) for n, mean, scatter in zip(*columns, strict=True)]
    held_out = {}
    for split in ("validation", "test"):
        labels = data.split(split).labels
        held_out[split] = torch.empty(0, dtype=torch.int64) if labels is None else labels.cpu()[_chosen(len(labels))]
    return ClassReference(statistics, held_out)


def _compute_classes(
    extractor: Extractor, split: SampleSplit, classes: int, key: str, progress: Progress | None
) -> Kept:
    statistics = [FeatureStatistics.empty(extractor.feature_dim) for _ in range(classes)]
    waiting: list[list[Tensor]] = [[] for _ in range(classes)]

    def take_in(c: int) -> None:
        if waiting[c]:
            statistics[c] = statistics[c].merge(FeatureStatistics.of(torch.cat(waiting[c])))
            waiting[c] = []

    done = 0
    with activity("features of real samples, class by class", len(split)) as report:
        for batch in split.batches(_READ):
            assert batch.label is not None
            features, labels = extractor(batch.x).features.cpu(), batch.label.cpu()
            for c in labels.unique().tolist():
                waiting[c].append(features[labels == c])
                if sum(map(len, waiting[c])) >= _ROWS:
                    take_in(c)
            done += len(labels)
            report(done)
            if progress is not None:
                progress(done / len(split))
    for c in range(classes):
        take_in(c)
    record = {"extractor": extractor.name, "key": key, "samples": [found.n for found in statistics]}
    tensors = {
        "mean": torch.stack([found.mean for found in statistics]),
        "scatter": torch.stack([found.scatter for found in statistics]),
    }
    return Kept(tensors, record)
