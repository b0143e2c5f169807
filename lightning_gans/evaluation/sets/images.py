"""Sets of images for a comparison: tensors, a model's samples, a part of a set, a set as data."""

import copy
import hashlib
from collections.abc import Iterator
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.data import Data, SampleSplit, SplitName
from lightning_gans.core.digests import digest_of
from lightning_gans.core.errors import UserError
from lightning_gans.core.protocols import Samples, SamplesByLabel
from lightning_gans.core.rng import stream, stream_seed
from lightning_gans.models.generative import CHUNK

Shape = tuple[int, int, int]

HELD_OUT = 10  # one in so many images of a labelled set is held out to measure the classifier


class ImageSet(Protocol):
    """Images of one size in a fixed order; `datamodules.image_sets` has further ones."""

    kind: str
    text: str
    place: str
    digest: str
    digest_of: str
    shape: Shape

    @property
    def labels(self) -> Tensor | None: ...

    @property
    def classes(self) -> tuple[str, ...] | None: ...

    @property
    def data(self) -> Data | None: ...

    @property
    def key(self) -> str: ...

    def __len__(self) -> int: ...

    def at_most(self, n: int, /) -> Self: ...

    def batches(self, size: int, /) -> Iterator[SampleBatch]: ...

    def held_out(self) -> "ImageSet | None": ...

    def notes(self) -> list[str]: ...


class Tensors:
    """Images in a tensor: uint8, or float in [-1, 1].

    Args:
        x: (N, C, H, W).
        name: name in messages and results.
    """

    kind = "tensor"
    data: Data | None = None
    labels: Tensor | None = None
    classes: tuple[str, ...] | None = None
    digest_of = "content"

    def __init__(self, x: Tensor, *, name: str) -> None:
        if (
            x.dim() != 4
            or x.shape[1] not in (1, 3)
            or len(x) < 2
            or not (x.dtype == torch.uint8 or x.is_floating_point())
        ):
            raise UserError(
                f"{name}: images are a tensor (N, C, H, W) of at least two, C=1 or 3, uint8 or float in [-1, 1]; this "
                f"one is {x.dtype} of shape {tuple(x.shape)}."
            )
        self.x, self.text, self.place = x.detach().cpu(), name, name
        self.shape: Shape = (x.shape[1], x.shape[2], x.shape[3])
        self.digest = digest_of({"x": self.x})

    def __len__(self) -> int:
        return len(self.x)

    @property
    def key(self) -> str:
        return f"tensor {self.digest} {len(self)}"

    def at_most(self, n: int) -> Self:
        if n >= len(self):
            return self
        part = copy.copy(self)
        part.x = self.x[torch.randperm(len(self), generator=stream("split"))[:n].sort().values]
        return part

    def batches(self, size: int) -> Iterator[SampleBatch]:
        for x in self.x.split(size):
            yield SampleBatch(x.float() / 127.5 - 1 if x.dtype == torch.uint8 else x.float(), None)

    def held_out(self) -> None:
        return None

    def notes(self) -> list[str]:
        return []


class ModelSamples:
    """Samples of a model, generated as they are read.

    Args:
        model: model on its device, in eval mode.
        n: number of samples.
        text, place: as in ImageSet.
        iteration: iteration of the weights, for the results.
    """

    kind = "run"
    data: Data | None = None
    digest_of = "weights and seed"

    def __init__(self, model: nn.Module, n: int, *, text: str, place: str, iteration: int | None = None) -> None:
        if not isinstance(model, Samples):
            raise UserError(
                f"{text}: the {type(model).__name__} of this run makes no samples out of nothing. Name a run of a "
                "generator, or a folder of images that it made."
            )
        self.model, self.n, self.text, self.place, self.iteration = model, n, text, place, iteration
        self.seed = stream_seed("evaluation", "test")  # the seed of a run's own test scores
        first = model.sample(1, seed=self.seed)
        if first.dim() != 4:
            raise UserError(f"{text}: the samples of this run have shape {tuple(first.shape[1:])} and are no images.")
        self.shape: Shape = (first.shape[1], first.shape[2], first.shape[3])
        tensors = {name: tensor for name, tensor in model.state_dict().items() if isinstance(tensor, Tensor)}
        self.digest = hashlib.sha256(f"{digest_of(tensors)} {self.seed}".encode()).hexdigest()

    def __len__(self) -> int:
        return self.n

    @property
    def key(self) -> str:
        return f"run {self.digest} {self.n}"

    @property
    def classes(self) -> tuple[str, ...] | None:
        return tuple(map(str, range(self.model.classes))) if isinstance(self.model, SamplesByLabel) else None

    @property
    def labels(self) -> Tensor | None:
        """Classes that the samples were generated for."""
        return self.model.labels(self.n, seed=self.seed) if isinstance(self.model, SamplesByLabel) else None

    def at_most(self, n: int) -> Self:
        part = copy.copy(self)
        part.n = min(n, self.n)
        return part

    def batches(self, size: int) -> Iterator[SampleBatch]:
        """Yield the chunks of a run's own evaluation, for any `size`."""
        assert isinstance(self.model, Samples)
        for start in range(0, self.n, CHUNK):
            with torch.no_grad():
                x = self.model.sample(CHUNK, seed=self.seed, start=start)
            yield SampleBatch(x[: self.n - start], None)

    def held_out(self) -> None:
        return None

    def notes(self) -> list[str]:
        return []


class LabelledSet:
    """Labelled set as training data of a classifier: nine tenths are the train split, the rest is held out."""

    modes = None
    batch_size = 64

    def __init__(self, images: ImageSet) -> None:
        self.images, self.sample_shape, self.classes = images, images.shape, images.classes
        self.fingerprint, self.name = images.key, images.text

    def split(self, name: SplitName) -> SampleSplit:
        held_out = torch.zeros(len(self.images), dtype=torch.bool)
        order = torch.randperm(len(self.images), generator=stream("held out"))
        held_out[order[: len(self.images) // HELD_OUT]] = True
        return SetSplit(self.images, ~held_out if name == "train" else held_out)

    def iteration_batches(self, *_: Any, **__: Any) -> Iterator[Any]:
        raise NotImplementedError("a set of images that is compared is not trained on by a game")


class SetSplit:
    """Split that consists of a set of images, or of some of its rows.

    Args:
        chosen: mask of the set's images, (N,) bool; None: all.
    """

    def __init__(self, images: ImageSet, chosen: Tensor | None = None) -> None:
        self.images = images
        self.chosen = torch.ones(len(images), dtype=torch.bool) if chosen is None else chosen

    @property
    def labels(self) -> Tensor | None:
        labels = self.images.labels
        return None if labels is None else labels[self.chosen]

    def __len__(self) -> int:
        return int(self.chosen.sum())

    def at_most(self, n: int) -> Self:
        return self if n >= len(self) else self.take(torch.randperm(len(self), generator=stream("split"))[:n])

    def take(self, places: Tensor) -> Self:
        """Return the images at `places` (n,) of this split, in the order of the set, in one pass."""
        chosen = torch.zeros_like(self.chosen)
        chosen[self.chosen.nonzero().squeeze(1)[places]] = True
        return type(self)(self.images, chosen)

    def batches(self, size: int) -> Iterator[SampleBatch]:
        first = 0
        for x, label in self.images.batches(size):
            rows = self.chosen[first : first + len(x)]
            first += len(x)
            if rows.all():
                yield SampleBatch(x, label)
            elif rows.any():
                yield SampleBatch(x[rows], None if label is None else label[rows])
