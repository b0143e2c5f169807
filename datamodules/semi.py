"""Semi-supervised data: all images without labels, and a few labelled images."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from datamodules import checks
from datamodules.base import DataModule
from datamodules.composite import Composite
from datamodules.digits import Digits
from datamodules.images import ImageData
from datamodules.sources import Tensors
from datamodules.vision import Vision
from lightning_gans.core.batches import SampleBatch, SemiSupervisedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream, stream_seed
from lightning_gans.settings import Channels, Count, ImageSize, MNISTImageSize, Seed


class SemiSupervised(Composite):
    """Semi-supervised images: all training images without labels, and a class-balanced subset with labels.

    A batch has `batch_size` labelled images and two draws of `unlabelled_batches` times as many unlabelled images from
    the whole training split, including the labelled ones. The three streams are independent. Validation and test are
    those of the whole set.

    Args:
        whole: the set, with batches of the unlabelled size.
        batch_size: labelled images in a batch, over all processes.
        unlabelled_batches: unlabelled images for each of them, in either draw.
        labels: images that keep their label, as many of each class (one more of some where it does not come out even);
            None: all of them.
        label_seed: which ones; None: the run's seed.

    Raises:
        UserError: fewer labels than classes, more than there are, or a set without labels; raised before training.
    """

    batch: ClassVar[type] = SemiSupervisedBatch
    contents: ClassVar[str] = "images"

    def __init__(
        self,
        *,
        whole: ImageData,
        batch_size: int,
        unlabelled_batches: int,
        labels: int | None,
        label_seed: int | None,
    ) -> None:
        super().__init__(batch_size=batch_size)
        self.whole = whole
        self.unlabelled_batches = unlabelled_batches
        self.labels = None if labels is None else checks.whole("labels", labels, least=1)
        self.label_seed = None if label_seed is None else checks.whole("label_seed", label_seed, least=0)
        self.image_size, self.channels = whole.image_size, whole.channels
        self.sample_shape = whole.sample_shape

    @cached_property
    def parts(self) -> Mapping[str, DataModule]:
        return {"unlabelled": self.whole}

    @property
    def fingerprint(self) -> str:
        """Return that of the whole set, because the evaluation does not depend on the labelled subset."""
        return self.whole.fingerprint

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        self.labelled(0)  # raises errors before training

    def labelled(self, seed: int = 0) -> Tensor:
        """Return the labelled rows of the training split for this seed: (labels,) int64, ascending."""
        source, classes = self.whole.sources["train"], self.classes
        if classes is None or source.labels is None or not isinstance(source, Tensors):
            raise UserError(f"{type(self).__name__}: these images have no labels that some of them could keep.")
        if self.labels is None:
            return torch.arange(len(source))
        draw = stream(seed if self.label_seed is None else self.label_seed, "labelled")
        known = source.labels.cpu()
        by_class = [(known == label).nonzero().squeeze(1) for label in range(len(classes))]
        self._check(self.labels, [len(rows) for rows in by_class], classes)
        each, more = divmod(self.labels, len(classes))
        extra = torch.zeros(len(classes), dtype=torch.int64)
        extra[torch.randperm(len(classes), generator=draw)[:more]] = 1
        chosen = [
            rows[torch.randperm(len(rows), generator=draw)[: each + one]]
            for rows, one in zip(by_class, extra.tolist(), strict=True)
        ]
        return torch.cat(chosen).sort().values

    def _check(self, labels: int, counts: list[int], classes: tuple[str, ...]) -> None:
        if labels < len(classes):
            raise UserError(
                f"data.labels={labels} is fewer than the {len(classes)} classes: each needs at least one labelled "
                f"image. Say data.labels={5 * len(classes)}, or any number from {len(classes)} on."
            )
        if labels > sum(counts):
            raise UserError(
                f"data.labels={labels}: the training split has {sum(counts):,} images. Say data.labels=null for all of "
                f"them, or a number from {len(classes)} to {min(counts) * len(classes)}."
            )
        if -(-labels // len(classes)) > min(counts):
            fewest = counts.index(min(counts))
            raise UserError(
                f"data.labels={labels} asks for up to {-(-labels // len(classes))} labelled images of each class, and "
                f"class {classes[fewest]} has {min(counts)}. Say data.labels={min(counts) * len(classes)} or fewer, or "
                "data.labels=null for all images with the classes as they are."
            )

    def _batches(
        self, start: int, stop: int, seed: int, rank: int, world: int, device: torch.device, stream: str
    ) -> Iterator[Any]:
        few = _Few(self.whole, self.labelled(seed), batch_size=self.batch_size)
        streams = {
            name: part.iteration_batches(start, stop, stream_seed(seed, name), rank, world, device, stream)
            for name, part in {"labelled": few, "unlabelled": self.whole, "second": self.whole}.items()
        }
        for batches in zip(*streams.values(), strict=True):
            yield self.join(dict(zip(streams, batches, strict=True)))

    def join(self, batches: Mapping[str, SampleBatch]) -> SemiSupervisedBatch:
        labelled = batches["labelled"]
        assert labelled.label is not None
        return SemiSupervisedBatch(labelled.x, labelled.label, batches["unlabelled"].x, batches["second"].x)


class _Few(DataModule):
    """A subset of another module's training split, repeated, with the same preprocessing."""

    def __init__(self, whole: ImageData, rows: Tensor, *, batch_size: int) -> None:
        super().__init__(batch_size=batch_size)
        self._whole, self._rows = whole, rows
        self.sample_shape = whole.sample_shape

    def read(self) -> Mapping[str, Any]:
        source = self._whole.sources["train"]
        assert isinstance(source, Tensors)
        return {"train": source.take(self._rows)}

    def finish(self, raw: Tensor) -> Tensor:
        return self._whole.finish(raw)

    def augment(self, raw: Tensor, *, seed: int, iteration: int, rows: slice) -> Tensor:
        return self._whole.augment(raw, seed=seed, iteration=iteration, rows=rows)


class DigitsSemi(SemiSupervised):
    """Semi-supervised digits of scikit-learn.

    Args:
        batch_size: labelled images in a global batch, of all processes together.
        unlabelled_batches: unlabelled images for each labelled one, in either of a batch's two draws.
        labels: images that keep their label, as many of each class; None: all.
        label_seed: seed that chooses them; None: the run's seed.
        image_size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB).
    """

    def __init__(
        self,
        *,
        batch_size: Count = 64,
        unlabelled_batches: Count = 1,
        labels: Count | None = 50,
        label_seed: Seed | None = None,
        image_size: ImageSize = 32,
        channels: Channels = 1,
    ) -> None:
        many = _many(batch_size, unlabelled_batches)
        super().__init__(
            whole=Digits(batch_size=many, image_size=image_size, channels=channels),
            batch_size=batch_size,
            unlabelled_batches=unlabelled_batches,
            labels=labels,
            label_seed=label_seed,
        )


class VisionSemi(SemiSupervised):
    """Semi-supervised image sets of torchvision.

    Args:
        name: labelled set, as `Vision` has it: mnist, fashion_mnist, svhn, cifar10, ...
        root: directory with its files.
        download: download of files that are missing.
        batch_size: labelled images in a global batch, of all processes together.
        unlabelled_batches: unlabelled images for each labelled one, in either of a batch's two draws.
        labels: images that keep their label, as many of each class; None: all.
        label_seed: seed that chooses them; None: the run's seed.
        image_size: height and width in pixels; 28 only for MNIST and its kin.
        channels: 1 (grey) or 3 (RGB).
        horizontal_flip: random mirroring of half of the training images, in every iteration.
    """

    def __init__(
        self,
        *,
        name: str,
        root: str | Path,
        download: bool = True,
        batch_size: Count = 64,
        unlabelled_batches: Count = 1,
        labels: Count | None = 100,
        label_seed: Seed | None = None,
        image_size: MNISTImageSize = 32,
        channels: Channels = 3,
        horizontal_flip: bool = False,
    ) -> None:
        whole = Vision(
            name=name,
            root=root,
            download=download,
            batch_size=_many(batch_size, unlabelled_batches),
            image_size=image_size,
            channels=channels,
            horizontal_flip=horizontal_flip,
        )
        if whole.classes is None:
            raise UserError(f"data.name={name}: these images have no classes. Say mnist, svhn, cifar10 or the like.")
        super().__init__(
            whole=whole,
            batch_size=batch_size,
            unlabelled_batches=unlabelled_batches,
            labels=labels,
            label_seed=label_seed,
        )


def _many(batch_size: int, unlabelled_batches: int) -> int:
    """Return the number of unlabelled images in a batch."""
    few = checks.whole("batch_size", batch_size, least=1)
    return few * checks.whole("unlabelled_batches", unlabelled_batches, least=1)
