"""Features from a small classifier of the data's own classes, trained once and cached on disk."""

import logging
import time
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_gans.core.batches import ConditionedBatch, PairedBatch, SampleBatch, SemiSupervisedBatch, UnpairedBatch
from lightning_gans.core.data import Data, SampleSplit
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import isolated
from lightning_gans.extractors.base import Features, Progress, in_chunks
from lightning_gans.extractors.cache import Kept, digest, kept
from lightning_gans.extractors.training import Recipe, fit, hold
from lightning_gans.networks.classifier import ConvClassifier

log = logging.getLogger(__name__)

POOR = 0.9  # held-out accuracy below which there is a warning

_NETWORK: dict[str, Any] = {"width": 32, "feature_dim": 64, "dropout": 0.1}


class ClassifierExtractor:
    """Classifier extractor: the penultimate layer of a `ConvClassifier`, and its class probabilities.

    Attributes:
        accuracy: accuracy on the data's validation split, 0 to 1; None if that is empty.
    """

    batch: ClassVar[tuple[type, ...]] = (SampleBatch, SemiSupervisedBatch, UnpairedBatch, ConditionedBatch, PairedBatch)
    contents: ClassVar[tuple[str, ...]] = ("images",)
    suffix = "_classifier"

    def __init__(self, network: ConvClassifier, *, name: str, fingerprint: str, accuracy: float | None = None) -> None:
        self.network = network.float().to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.name, self.fingerprint, self.accuracy = name, fingerprint, accuracy
        self.feature_dim: int = network.head.in_features
        self.classes: int = network.head.out_features
        self.device = network.head.weight.device

    def to(self, device: torch.device | str) -> "ClassifierExtractor":
        """Move the extractor to `device`; return itself."""
        self.device = torch.device(device)
        self.network.to(self.device)
        return self

    def __call__(self, x: Tensor) -> Features:
        """Extract from images (N, C, S, S) in [-1, 1]: features (N, d), probabilities (N, K)."""
        return Features(*in_chunks(self._forward, x, self.device))

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.features(x)
        return features, self.network.classify(features).softmax(1)


@torch.inference_mode(False)
def fit_or_load(
    data: Data,
    cache_dir: str | Path,
    *,
    name: str | None = None,
    recipe: Recipe | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> ClassifierExtractor:
    """Return the classifier of `data`: from cache_dir/extractors, or trained on the train split and cached there.

    Training uses separate random numbers: the random state of the process is unchanged, and the same data give the same
    classifier (to the last bit with the same versions, device and number of threads).

    name: name of the data in reports; None: data.name, or else the name of its class in lower case.
    device: device of training and extraction.
    progress: called with the finished share of the training; not called for a cached classifier.

    Raises:
        UserError: the data are not images, have no labels, or have fewer than two classes.
    """
    recipe = recipe or Recipe()
    name = name or str(getattr(data, "name", None) or type(data).__name__.lower())
    train = data.split("train")
    network = {**_architecture(data, name, train), **_NETWORK}
    fingerprint = digest("classifier", data.fingerprint, network, asdict(recipe))
    path = Path(cache_dir) / "extractors" / f"{fingerprint}.safetensors"

    def prepare() -> Kept:
        start = time.monotonic()
        with torch.enable_grad(), isolated("classifier", fingerprint):
            x, labels = hold(train, recipe)
            fitted = fit(ConvClassifier(**network), x, labels, recipe, torch.device(device), progress)
        extractor = ClassifierExtractor(fitted, name=name, fingerprint=fingerprint)
        record = {
            "name": name,
            "accuracy": _accuracy(extractor, data.split("validation")),
            "images": len(x),
            "epochs": round(recipe.steps(len(x)) * min(recipe.batch, len(x)) / len(x), 1),
            "seconds": round(time.monotonic() - start, 1),
            "data": data.fingerprint,
            "network": network,
            "recipe": asdict(recipe),
        }
        return Kept(fitted.state_dict(), record)

    tensors, record = kept(path, prepare)
    with torch.device("meta"):  # draws no weights, since they would be replaced
        classifier = ConvClassifier(**network)
    classifier.load_state_dict(tensors, assign=True)
    accuracy = record["accuracy"]
    _tell(name, accuracy)
    return ClassifierExtractor(
        classifier, name=f"classifier({name})", fingerprint=record["sha256"], accuracy=accuracy
    ).to(device)


def _architecture(data: Data, name: str, train: SampleSplit) -> dict[str, int]:
    if len(data.sample_shape) != 3:
        raise UserError(
            f"metrics=classifier needs images, and {name} gives samples of shape {data.sample_shape}. "
            "Leave metrics out for the ones that fit this data, or say metrics=none."
        )
    if data.classes is None or train.labels is None:
        found = "no labels"
    elif len(data.classes) < 2 or len(train) < 2:
        found = f"{len(data.classes)} class(es) and {len(train)} training image(s)"
    else:
        channels, image_size, _ = data.sample_shape
        return {"channels": channels, "image_size": image_size, "classes": len(data.classes)}
    why = getattr(data, "why_unlabelled", "") or "A folder of images has labels when each class is a folder of its own."
    raise UserError(
        f"metrics=classifier trains a small classifier on the data's own labels, and {name} has {found}. Say "
        "metrics=pixels (mean colours) or metrics=inception, both for any images. "
        f"{why}"
    )


def _accuracy(extractor: ClassifierExtractor, split: SampleSplit) -> float | None:
    right = total = 0
    for batch in split.batches(256):
        if batch.label is not None and len(batch.x):
            probabilities = extractor(batch.x).probabilities
            assert probabilities is not None
            right += int((probabilities.argmax(1) == batch.label).sum())
            total += len(batch.x)
    return right / total if total else None


def _tell(name: str, accuracy: float | None) -> None:
    if accuracy is None:
        log.info("classifier(%s): no held-out images to measure its accuracy on", name)
        return
    log.info("classifier(%s): %.2f %% of held-out images right", name, 100 * accuracy)
    if accuracy < POOR:
        warnings.warn(
            f"The classifier that gives {name} its features is right on {accuracy:.1%} of held-out images only. FID, "
            "KID and IS from it still compare runs on this data with one another, but say less about quality than "
            "those of a good classifier; metrics=inception takes the Inception network's features instead.",
            stacklevel=4,
        )
