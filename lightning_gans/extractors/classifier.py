"""Features from a small classifier of the data's own classes, trained once and kept on disk."""

import logging
import math
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import isolated, stream
from lightning_gans.extractors.base import Features, Progress, Split, in_chunks
from lightning_gans.extractors.cache import Kept, digest, kept
from lightning_gans.networks.classifier import ConvClassifier

log = logging.getLogger(__name__)

POOR = 0.9  # held-out accuracy under which its features are worth a warning

_NETWORK: dict[str, Any] = {"width": 32, "feature_dim": 64, "dropout": 0.1}


class LabelledData(Protocol):
    """What is read of a data module: (C, S, S) images with labels in its splits."""

    @property
    def fingerprint(self) -> str: ...

    @property
    def sample_shape(self) -> tuple[int, ...]: ...

    @property
    def classes(self) -> tuple[str, ...] | None: ...

    def split(self, name: Literal["train", "validation"], /) -> Split: ...


@dataclass(frozen=True)
class Recipe:
    """How the classifier is trained: AdamW on one cycle of the learning rate, slightly moved images.

    version: raise it when code here changes what comes out, and every cached classifier is trained anew.
    passes: over the training images, but at least `least` and at most `most` images in all.
    shift, zoom: largest, as a share of the image; rotation: largest, in radians.
    held_bytes: images held in memory as bytes; a random part of a set that takes more.
    """

    version: int = 1
    passes: float = 2.0
    least: int = 24_000
    most: int = 200_000
    batch: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    shift: float = 0.1
    zoom: float = 0.1
    rotation: float = 0.15
    held_bytes: int = 2**30

    def steps(self, images: int) -> int:
        """Optimizer steps for a training set of this size."""
        total = min(max(self.passes * images, self.least), self.most)
        return max(round(total / min(self.batch, images)), 2)


class ClassifierExtractor:
    """The penultimate layer of a `ConvClassifier` and its class probabilities.

    Attributes:
        accuracy: on the data's validation split, 0 to 1; None where that is empty.
    """

    def __init__(self, network: ConvClassifier, *, name: str, fingerprint: str, accuracy: float | None = None) -> None:
        self.network = network.float().eval().requires_grad_(False)
        self.name, self.fingerprint, self.accuracy = name, fingerprint, accuracy
        self.feature_dim: int = network.head.in_features
        self.classes: int = network.head.out_features
        self.device = network.head.weight.device

    def to(self, device: torch.device | str) -> "ClassifierExtractor":
        """Itself, computing on `device` from now on."""
        self.device = torch.device(device)
        self.network.to(self.device)
        return self

    def __call__(self, x: Tensor) -> Features:
        """Images (N, C, S, S) in [-1, 1] -> features (N, d), probabilities (N, K)."""
        return Features(*in_chunks(self._forward, x, self.device))

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.features(x)
        return features, self.network.classify(features).softmax(1)


def fit_or_load(
    data: LabelledData,
    cache_dir: str | Path,
    *,
    name: str | None = None,
    recipe: Recipe | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> ClassifierExtractor:
    """The classifier of `data`: from cache_dir/extractors, or trained on the train split and kept there.

    Trained with random numbers of its own: the process's random state stays as it was, and the same data give the
    same classifier (to the last bit with the same versions, device and number of threads).

    name: what reports call the data; data.name, or else the name of its class in lower case.
    device: where it is trained and where it computes.
    progress: called with the share of the training done; not at all where the cache has it.

    Raises:
        UserError: the data are no images, or have no labels, or fewer than two classes.
    """
    recipe = recipe or Recipe()
    name = name or str(getattr(data, "name", None) or type(data).__name__.lower())
    train = data.split("train")
    network = {**_architecture(data, name, train), **_NETWORK}
    fingerprint = digest("classifier", data.fingerprint, network, asdict(recipe))
    path = Path(cache_dir) / "extractors" / f"{fingerprint}.safetensors"

    def prepare() -> Kept:
        start = time.monotonic()
        with isolated("classifier", fingerprint):
            x, labels = _hold(train, recipe)
            fitted = _fit(ConvClassifier(**network), x, labels, recipe, torch.device(device), progress)
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
    classifier = ConvClassifier(**network)
    classifier.load_state_dict(tensors)
    accuracy = record["accuracy"]
    _tell(name, accuracy)
    return ClassifierExtractor(
        classifier, name=f"classifier({name})", fingerprint=record["sha256"], accuracy=accuracy
    ).to(device)


def _architecture(data: LabelledData, name: str, train: Split) -> dict[str, int]:
    if len(data.sample_shape) != 3:
        raise UserError(
            f"metrics=classifier needs images, and {name} gives samples of shape {data.sample_shape}. "
            "Leave metrics out for the ones that fit this data, or say metrics=none."
        )
    if data.classes is None or train.labels is None or len(data.classes) < 2:
        found = "no labels" if data.classes is None or train.labels is None else "a single class"
        raise UserError(
            f"metrics=classifier trains a small classifier on the data's own labels, and {name} has {found}. "
            "Say metrics=inception (features of the Inception network, for any images) or metrics=none; a folder "
            "of images has labels when each class is a folder of its own."
        )
    channels, image_size, _ = data.sample_shape
    return {"channels": channels, "image_size": image_size, "classes": len(data.classes)}


def _hold(split: Split, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Training images as uint8 (M, C, S, S) and labels (M,): all of them, or a random part that fits."""
    images, labels, chosen, seen = [], [], None, 0
    for batch in split.batches(256):
        if chosen is None:
            room = max(recipe.held_bytes // batch.x[0].numel(), recipe.batch)
            order = torch.randperm(len(split), generator=stream("classifier", "part"))
            chosen = torch.zeros(len(split), dtype=torch.bool)
            chosen[order[:room]] = True
        assert batch.label is not None
        rows = chosen[seen : seen + len(batch.x)]
        seen += len(batch.x)
        images.append(((batch.x.cpu()[rows] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))
        labels.append(batch.label.cpu()[rows])
    return torch.cat(images), torch.cat(labels)


def _fit(
    network: ConvClassifier, x: Tensor, labels: Tensor, recipe: Recipe, device: torch.device, progress: Progress | None
) -> ConvClassifier:
    network = network.to(device).to(memory_format=torch.channels_last).train()  # half the time on a CPU
    steps, batch = recipe.steps(len(x)), min(recipe.batch, len(x))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=device.type != "mps"
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.2)
    order = torch.empty(0, dtype=torch.int64)
    for step in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(x))
        rows, order = order[:batch], order[batch:]
        images = _moved(x[rows].to(device).float() / 127.5 - 1, recipe)
        loss = F.cross_entropy(network(images), labels[rows].to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress((step + 1) / steps)
    return network.eval()


def _moved(x: Tensor, recipe: Recipe) -> Tensor:
    """Each image of (N, C, S, S) turned, zoomed and shifted a little, by draws from the global random state."""
    angle, zoom, right, down = torch.rand(4, len(x)).mul(2).sub(1).to(x.device)
    cosine, sine = (angle * recipe.rotation).cos(), (angle * recipe.rotation).sin()
    scale = 1 + zoom * recipe.zoom
    # The grid spans [-1, 1], so a share of the image is twice that.
    first = torch.stack([scale * cosine, -scale * sine, right * 2 * recipe.shift], 1)
    second = torch.stack([scale * sine, scale * cosine, down * 2 * recipe.shift], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _accuracy(extractor: ClassifierExtractor, split: Split) -> float | None:
    right = total = 0
    for batch in split.batches(256):
        if batch.label is not None and len(batch.x):
            probabilities = extractor(batch.x).probabilities
            assert probabilities is not None
            right += int((probabilities.argmax(1) == batch.label).sum())
            total += len(batch.x)
    return right / total if total else None


def _tell(name: str, accuracy: float | None) -> None:
    if accuracy is None or math.isnan(accuracy):
        log.info("classifier(%s): no held-out images to measure its accuracy on", name)
        return
    log.info("classifier(%s): %.2f %% of held-out images right", name, 100 * accuracy)
    if accuracy < POOR:
        warnings.warn(
            f"The classifier that gives {name} its features is right on {accuracy:.1%} of held-out images only. FID, "
            "KID and IS from it still compare runs on this data with one another, but say less about quality than "
            "those of a good classifier; metrics=inception takes the Inception network's features instead.",
            stacklevel=3,
        )
