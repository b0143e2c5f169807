"""Classification accuracy score (CAS): accuracy on real images of a classifier trained on synthetic ones."""

from collections.abc import Callable, Sequence
from math import hypot

import torch
from torch import Tensor

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Data, SampleSplit, SplitName
from lightning_gans.core.interruption import poll
from lightning_gans.core.protocols import SamplesByLabel
from lightning_gans.core.rng import isolated, stream, stream_seed
from lightning_gans.evaluation.measures import higher, measure
from lightning_gans.extractors.base import in_chunks
from lightning_gans.extractors.training import Recipe, fit, hold
from lightning_gans.metrics import estimate
from lightning_gans.metrics.estimate import Estimate
from lightning_gans.models.generative import CHUNK
from lightning_gans.networks.classifier import ConvClassifier

MOST, SEEDS = 10_000, 3  # training images of each classifier of `cas`, and number of classifiers

Labelled = tuple[Tensor, Tensor]  # images uint8 (N, C, S, S), labels (N,) int64


def share_of(real: Labelled, share: float, *, seed: int) -> Labelled:
    """Draw a share of the labelled images by `seed`, each class in proportion and with at least one image."""
    x, labels = real
    order = torch.randperm(len(x), generator=stream("share", seed))
    rows = []
    for label in labels.unique():
        of_class = order[labels[order] == label]
        rows.append(of_class[: max(1, round(share * len(of_class)))])
    chosen = torch.cat(rows)
    return x[chosen], labels[chosen]


def mixed(real: Labelled, synthetic: Labelled) -> Labelled:
    """Mix real and synthetic images in equal parts; images of the smaller set are repeated as needed."""
    size = max(len(real[0]), len(synthetic[0]))
    rows = [torch.arange(size) % len(labels) for _, labels in (real, synthetic)]
    pairs = list(zip((real, synthetic), rows, strict=True))
    return torch.cat([x[row] for (x, _), row in pairs]), torch.cat([labels[row] for (_, labels), row in pairs])


def accuracy(
    training: Labelled,
    test: SampleSplit,
    *,
    classes: int,
    seed: int,
    recipe: Recipe | None = None,
    device: str = "cpu",
) -> float:
    """Accuracy on `test` of a classifier trained on `training` only, 0 to 1; deterministic for a seed.

    Every classifier is trained for the same number of steps, the recipe's for the smallest sets, so that only the
    images differ.
    """
    x, labels = training
    recipe = recipe or Recipe(passes=0.0)
    with torch.enable_grad(), isolated("augmentation", seed):
        network = ConvClassifier(channels=x.shape[1], image_size=x.shape[2], classes=classes)
        network = fit(network, x, labels, recipe, torch.device(device), None)
    right = total = 0
    for batch in test.batches(256):
        assert batch.label is not None
        (scores,) = in_chunks(lambda chunk: (network(chunk),), batch.x, torch.device(device))
        right += int((scores.argmax(1).cpu() == batch.label.cpu()).sum())
        total += len(batch.x)
    return right / total


@measure(
    higher("cas", "classification accuracy score: trained on generated samples alone, tested on real ones"),
    needs=SamplesByLabel,
    only_named=True,
)
def cas(model: SamplesByLabel, data: Data, split: SplitName) -> dict[str, Estimate]:
    """Classification accuracy score (Ravuri & Vinyals 2019, 1905.10887), and `cas_real`, of real images in their place.

    Mean accuracy on `split` of three classifiers trained on generated images only: as many as there are training
    images, at most 10,000, with the labels of those. `cas_real` is that of these training images themselves. The error
    covers the held-out images and the three classifiers. Measured only if `measures=cas` names it, since six
    classifiers take a minute.
    """
    real, test, classes = data.split("train").at_most(MOST), data.split(split), len(data.classes or ())
    if len(data.sample_shape) != 3 or real.labels is None or not len(test) or model.classes != classes:
        return {}
    labels = real.labels.cpu()
    made, seed = [], stream_seed("cas", split)
    with activity("generated images", len(labels)) as report:
        for first in range(0, len(labels), CHUNK):
            poll()
            part = labels[first : first + CHUNK]
            made.append(model.sample(len(part), label=part, seed=seed, start=first))
            report(first + len(part))
    device = made[0].device
    synthetic = torch.cat([((part + 1) * 127.5).round().clamp(0, 255).to("cpu", torch.uint8) for part in made]), labels
    sets = {"cas": synthetic, "cas_real": hold(real, Recipe())}
    scores: dict[str, list[float]] = {name: [] for name in sets}
    with activity("classifiers", SEEDS * len(sets)) as report:
        for one in range(SEEDS):
            for name, training in sets.items():
                poll()
                scores[name].append(accuracy(training, test, classes=classes, seed=one, device=str(device)))
                report(len(scores["cas"]) + len(scores["cas_real"]))
    return {name: _over_seeds(found, len(test)) for name, found in scores.items()}


def _over_seeds(accuracies: Sequence[float], n: int) -> Estimate:
    """Mean accuracy of several classifiers on the same n images; the error covers the classifiers and the images."""
    found = estimate.mean(torch.tensor(accuracies, dtype=torch.float64))
    return Estimate(found.value, hypot(found.error, estimate.share(round(found.value * n), n).error))


def table(
    real: Labelled,
    synthetic: Labelled,
    test: SampleSplit,
    *,
    classes: int,
    shares: Sequence[float],
    seeds: Sequence[int],
    recipe: Recipe | None = None,
    device: str = "cpu",
    told: Callable[[], None] = lambda: None,
) -> dict[str, list[float]]:
    """Accuracies on `test`, one for each seed, by training set.

    `synthetic`: generated images only, the classification accuracy score (Ravuri & Vinyals 2019, 1905.10887).
    `real 10%`, `real 10% + synthetic`: a share of the real labels, without and with the generated images.

    Args:
        shares: shares of the real labels, above 0 and at most 1.
        told: called after each classifier.
    """
    found: dict[str, list[float]] = {}
    for seed in seeds:
        sets = {"synthetic": synthetic}
        for share in shares:
            part = share_of(real, share, seed=seed)
            sets[f"real {share:.0%}"] = part
            sets[f"real {share:.0%} + synthetic"] = mixed(part, synthetic)
        for name, training in sets.items():
            score = accuracy(training, test, classes=classes, seed=seed, recipe=recipe, device=device)
            found.setdefault(name, []).append(score)
            told()
    return found
