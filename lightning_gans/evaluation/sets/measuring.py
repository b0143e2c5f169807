"""Scores of two sets of images.

Memory: images are read in batches and not stored. Stored are the features of all generated images (4 d bytes each:
400 MB for 50,000 of Inception), of up to 10,000 of the reference, and (d, d) statistics.
"""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from inspect import signature
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Data
from lightning_gans.core.digests import sha256_of
from lightning_gans.core.errors import UserError
from lightning_gans.evaluation.measures import flat
from lightning_gans.evaluation.neighbours import SAMPLES
from lightning_gans.evaluation.quality import SMALL, SampleQuality
from lightning_gans.evaluation.references import reference_statistics
from lightning_gans.evaluation.sets.checks import Shaped, check_pair
from lightning_gans.evaluation.sets.comparison import Comparison, command, versions
from lightning_gans.evaluation.sets.images import ImageSet, LabelledSet, ModelSamples, SetSplit, Tensors
from lightning_gans.evaluation.sets.protocols import Protocol
from lightning_gans.extractors import factories
from lightning_gans.extractors.base import Extractor, Features, extract
from lightning_gans.extractors.statistics_files import read_statistics, write_statistics
from lightning_gans.metrics.conditional import label_accuracy
from lightning_gans.metrics.diversity import classes_covered, evenness
from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.frechet import FeatureStatistics, frechet_distance
from lightning_gans.metrics.inception import inception_score
from lightning_gans.metrics.kernel import kernel_distance
from lightning_gans.metrics.memorisation import memorised
from lightning_gans.metrics.names import SPREAD
from lightning_gans.metrics.neighbours import neighbour_measures
from lightning_gans.metrics.scores import LEAST, NEIGHBOURS, Reference, distribution_scores

READ = 64  # images read at a time

Side = ImageSet | Path  # a set, or a file of statistics


def make_extractor(
    metrics: str, reference: Side, options: Mapping[str, Any], *, device: torch.device, cache_dir: Path
) -> Extractor:
    """Make the extractor of `metrics`: inception, classifier (trained on the reference's labels) or pixels.

    Raises:
        UserError: the classifier's reference has no labels, or the weights are not available.
    """
    if isinstance(reference, Path):
        if metrics != "inception":
            raise UserError(
                f"metrics={metrics} needs images, and reference={reference} holds statistics of features. Say "
                "metrics=inception if they are Inception's, or name the images."
            )
        data: Any = None
    else:
        data = _labelled(reference) if metrics == "classifier" else _Shape(reference.shape)
    with activity("feature extractor") as report:
        made: Extractor = getattr(factories, metrics)(
            data, cache_dir=cache_dir, device=device, progress=report, **options
        )
    return made


def check_sides(generated: Side, reference: Side, metrics: str) -> None:
    """Refuse images with other channels, or of sizes that the extractor cannot compare, before it is trained.

    Raises:
        UserError: names the setting that makes the sets comparable.
    """
    if not isinstance(generated, Path) and not isinstance(reference, Path):
        check_pair(_shaped("generated", generated), _shaped("reference", reference), metrics)


def _shaped(key: str, side: ImageSet) -> Shaped:
    return Shaped(f"{key}={side.text}", side.shape, fixed=isinstance(side, ModelSamples | Tensors))


def _alike(generated: Side, reference: Side) -> bool:
    if isinstance(generated, Path) or isinstance(reference, Path):
        return False
    same = generated.digest == reference.digest and len(generated) == len(reference)
    return same or generated.key == reference.key


class _Shape:
    """The part of a data module that an extractor without training needs."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.sample_shape = shape


def _labelled(reference: ImageSet) -> Data:
    if reference.data is not None:
        return reference.data
    if reference.labels is None:
        raise UserError(
            f"metrics=classifier trains a classifier on the reference's labels, and reference={reference.text} has "
            "none: images have labels if all of them lie in class folders, two or more. Say metrics=inception or "
            "metrics=pixels, which need no labels, or name a labelled data set (reference=cifar10)."
        )
    return LabelledSet(reference)


def compare(
    generated: Side,
    reference: Side,
    extractor: Extractor,
    *,
    cache_dir: Path,
    metrics: str,
    samples: int | None = None,
    protocol: Protocol | None = None,
    statistics: Path | None = None,
    weights: Path | None = None,
    told: Sequence[str] = (),
) -> Comparison:
    """Compute the scores of `generated` against `reference`.

    Args:
        metrics: name of the extractor, for the record.
        samples: number of samples as given by the user.
        protocol: selects the metrics, and the number of samples for distances.
        statistics: file for mean and covariance of the reference's features, in the format of pytorch-fid.
        weights: the extractor's file of weights, for the record; None: Inception's published one.
        told: warnings from the creation of the extractor, for the notes.

    Raises:
        UserError: the sets cannot be compared, or features are not finite.
    """
    began = time.monotonic()
    notes = list(told)
    if _alike(generated, reference):
        notes.append("both sets are the same images: these are the scores of a perfect copy")
    real = _reference(reference, extractor, cache_dir)
    if statistics is not None:
        write_statistics(statistics, real.statistics)
    floor: Mapping[str, float] = {}
    floor_samples = 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if isinstance(generated, Path):
            made = read_statistics(generated)
            _same(made, real.statistics, f"generated={generated}", f"reference={_text(reference)}")
            scores = {"fid": frechet_distance(real.statistics, made)}
            count = None
        else:
            found = _extracted(generated, extractor)
            count = len(found.features)
            _same(real.statistics, found.features.shape[1], f"reference={_text(reference)}", f"metrics={metrics}")
            scores = _scores(generated, reference, real, found, extractor, protocol, samples)
            scores |= _memorised(generated, reference, protocol)
            compared = protocol.counts(samples)[1] if protocol else count
            floor, floor_samples = _floor(reference, real, extractor, compared, cache_dir)
            if floor and floor_samples < compared:
                notes.append(
                    f"the floor is of {floor_samples:,} real images, fewer than the {compared:,} generated ones: its "
                    "FID is biased upward"
                )
    notes += dict.fromkeys(str(warning.message) for warning in caught)
    if count is not None and f"recall{extractor.suffix}" not in scores and not isinstance(reference, Path):
        notes.append(f"precision, recall, density and coverage need more than {LEAST} images in both sets")
    near = count if protocol is None or count is None else protocol.counts(samples)[1]
    for side in (generated, reference):
        notes += [] if isinstance(side, Path) else side.notes()
    wanted = None if protocol is None else protocol.metrics
    return Comparison(
        scores=_only(scores, wanted),
        floor=_only(floor, wanted),
        facts={
            "generated": _facts(generated, count),
            "reference": _facts(reference, None if isinstance(reference, Path) else real.statistics.n),
            "extractor": _extractor_facts(extractor, metrics, weights),
            "protocol": None if protocol is None else protocol.called(samples),
            "samples": count,
            "distance_samples": near,
            "floor_samples": floor_samples or None,
            "settings": _settings(real, count),
            "versions": versions(),
            "command": command(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began, 1),
        },
        notes=notes,
    )


def _reference(reference: Side, extractor: Extractor, cache_dir: Path) -> Reference:
    if isinstance(reference, Path):
        return Reference(read_statistics(reference), torch.empty(0, extractor.feature_dim))
    return reference_statistics(extractor, SetSplit(reference), cache_dir, reference.key)


def _same(real: FeatureStatistics, other: "FeatureStatistics | int", name: str, beside: str) -> None:
    dim = other if isinstance(other, int) else len(other.mean)
    if len(real.mean) != dim:
        raise UserError(
            f"{name} holds statistics of {len(real.mean):,} features, and {beside} has {dim:,}: they are of different "
            "extractors. Files of pytorch-fid and clean-fid hold 2,048 features, those of metrics=inception."
        )


@torch.no_grad()
def _extracted(images: ImageSet, extractor: Extractor) -> Features:
    """Extract features of all images, on the CPU.

    Raises:
        UserError: some of them are not finite.
    """

    def told() -> Iterator[Tensor]:
        done = 0
        for x, _ in images.batches(READ):
            yield x
            done += len(x)
            report(done)

    with activity("features of generated images", len(images)) as report:
        found = extract(extractor, told())
    broken = int((~found.features.isfinite().all(1)).sum())
    if broken:
        raise UserError(
            f"generated={images.text}: the features of {broken:,} of {len(found.features):,} images are NaN or "
            "infinite. The images are damaged, or the weights of the extractor are: look at them, or take other ones."
        )
    likely = found.probabilities
    return Features(found.features.cpu(), None if likely is None else likely.cpu())


def _scores(
    generated: ImageSet,
    reference: Side,
    real: Reference,
    found: Features,
    extractor: Extractor,
    protocol: Protocol | None,
    samples: int | None,
) -> dict[str, float]:
    features, probabilities = found
    near = len(features) if protocol is None else protocol.counts(samples)[1]
    rows = _first(len(features), near)
    with activity("distances of features", None if features.shape[1] > SMALL else 1.0):
        scores = dict(distribution_scores(real, features[rows], None if probabilities is None else probabilities[rows]))
        if probabilities is not None and near < len(features):
            inception = inception_score(probabilities)
            scores |= {"is": Estimate(inception.mean, inception.error), "is_std": inception.std}
    classes = None if isinstance(reference, Path) else reference.classes
    of_classes: dict[str, Estimate | float] = {}
    if probabilities is not None and classes is not None and 1 < len(classes) == extractor.classes:
        of_classes = {"evenness": evenness(probabilities), "classes_covered": float(classes_covered(probabilities))}
        if (asked := _asked(generated, classes)) is not None and len(asked) == len(probabilities):
            of_classes["label_accuracy"] = label_accuracy(probabilities, asked)
    return flat(scores, extractor.suffix) | flat(of_classes)


@torch.no_grad()
def _memorised(generated: ImageSet, reference: Side, protocol: Protocol | None) -> dict[str, float]:
    """Compute `memorised`: share of up to 1,000 generated images that copy a reference image of the same size."""
    if isinstance(reference, Path) or generated.shape != reference.shape:
        return {}
    if protocol is not None and protocol.metrics is not None:  # published metrics do not include it
        return {}
    few = torch.cat([x.float().cpu() for x, _ in generated.at_most(SAMPLES).batches(READ)])

    def told() -> Iterator[Tensor]:
        done = 0
        for x, _ in reference.batches(READ * 4):
            yield x
            done += len(x)
            report(done)

    with activity("nearest reference images", len(reference)) as report:
        found = memorised(few, told()).estimate
    return flat({"memorised": found}) if isfinite(found.value) else {}


def _first(n: int, wanted: int) -> slice | Tensor:
    """Choose the samples for distances: as many as wanted, equally spaced (a set may be sorted by class)."""
    return slice(None) if wanted >= n else torch.arange(wanted) * n // wanted


def _asked(generated: ImageSet, classes: Sequence[str]) -> Tensor | None:
    """Return the labels for which the images were generated, as numbers of the reference's classes, or None."""
    labels, names = generated.labels, generated.classes
    if labels is None or names is None:
        return None
    if isinstance(generated, ModelSamples):
        return labels if len(names) == len(classes) else None
    if not set(names) <= set(classes):
        return None
    numbers = torch.tensor([list(classes).index(name) for name in names])
    return numbers[labels]


def _floor(
    reference: Side, real: Reference, extractor: Extractor, n: int | None, cache_dir: Path
) -> tuple[Mapping[str, float], int]:
    """Return scores of held-out real images in place of generated ones, and their number; none without such images."""
    held_out = None if isinstance(reference, Path) else reference.held_out()
    if held_out is None or n is None or isinstance(reference, Path):
        return {}, 0
    other = reference_statistics(extractor, SetSplit(held_out), cache_dir, held_out.key)
    quality = SampleQuality(
        extractor=extractor,
        reference=real,
        held_out={"validation": Reference.of(torch.empty(0, extractor.feature_dim)), "test": other},
        samples=n,
        names=reference.classes,
    )
    return quality.floor("test"), quality.floor_samples("test")


def _only(scores: Mapping[str, float], wanted: Sequence[str] | None) -> dict[str, float]:
    """Return the scores of the wanted metrics, with their errors and deviations; None: all."""
    if wanted is None:
        return dict(scores)
    return {name: value for name, value in scores.items() if name.removesuffix("_se").removesuffix(SPREAD) in wanted}


def _text(side: Side) -> str:
    return str(side) if isinstance(side, Path) else side.text


def _facts(side: Side, images: int | None) -> dict[str, Any]:
    if isinstance(side, Path):
        return {"kind": "statistics", "name": str(side), "path": str(side), "images": None, "digest": sha256_of(side)}
    facts: dict[str, Any] = {
        "kind": side.kind,
        "name": side.text,
        "path": side.place,
        "images": images,
        "size": list(side.shape),
        "digest": side.digest,
        "digest_of": side.digest_of,
    }
    if isinstance(side, ModelSamples):
        facts |= {"seed": side.seed, "iteration": side.iteration}
    return facts


def _extractor_facts(extractor: Extractor, metrics: str, weights: Path | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"metrics": metrics, "name": extractor.name, "fingerprint": extractor.fingerprint}
    file = weights if weights is not None or metrics != "inception" else _published()
    if file is not None and file.is_file():
        facts["weights_sha256"] = sha256_of(file)
    for name in ("resize", "accuracy"):
        if (value := getattr(extractor, name, None)) is not None:
            facts[name] = value
    return facts | ({"classes": extractor.classes} if extractor.classes else {})


def _published() -> Path:
    """Return the path of Inception's downloaded weights in torch.hub's folder."""
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    return Path(torch.hub.get_dir(), "checkpoints", Path(URL_INCEPTION_V3).name)


def _settings(real: Reference, count: int | None) -> dict[str, Any]:
    """Return numbers of splits, subsets and neighbours, from the defaults of the metrics."""
    of_kid, of_is = signature(kernel_distance).parameters, signature(inception_score).parameters
    near = signature(neighbour_measures).parameters["k"].default
    kept = len(real.features)
    settings: dict[str, Any] = {"is_splits": of_is["splits"].default}
    if count is not None and kept:
        settings |= {
            "kid_subsets": of_kid["subsets"].default,
            "kid_subset_size": min(1000, count, kept),
            "kid_seed": of_kid["seed"].default,
            "reference_features": kept,
            "neighbour_samples": min(count, kept, NEIGHBOURS),
            "precision_recall_k": near[0],
            "density_coverage_k": near[1],
        }
    return settings
