"""Domain adaptation data: a labelled source, and a target whose labels are used only for evaluation."""

import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from datamodules import checks
from datamodules.bad_files import OnBadFile
from datamodules.composite import Composite
from datamodules.images import FileSettings, ImageData
from datamodules.named import image_data
from lightning_gans.core.batches import DomainBatch
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Channels, ExistingFolder, MNISTImageSize

MEAN_OF = 5000  # training images of each domain, for the mean


class Domains(Composite):
    """Domain adaptation data: half of `batch_size` from a labelled source, half from an unlabelled target.

    `parts["source"]` and `parts["target"]` have splits of their own. Labels of the target, if any, are in its splits
    but in no batch.

    Args:
        source: labelled domain: a set of images as `data=` knows it, or a folder with one folder per class.
        target: unlabelled domain: another set, or any folder; the source itself gives the bound of training on the
            target.
        photos: folder of photographs, for `mnistm`.
        data_dir: directory of the files of real sets, also for downloads.
        download: download of files that are missing.
        batch_size: global batch size, of all processes together, half source and half target.
        image_size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB).
        black: value that becomes black in grey files of 16 or 32 bits and of floats, where `white` is given.
        white: value that becomes white in such files; None: the full range, as in `Folder`.
        on_bad_file: treatment of unreadable files: "skip" with one warning that names them, or an "error".

    Raises:
        UserError: an odd batch size; a name that is neither a set of images nor a folder; a source without labels.
    """

    batch: ClassVar[type] = DomainBatch
    contents: ClassVar[str] = "images"

    def __init__(
        self,
        *,
        source: str = "mnist",
        target: str = "usps",
        photos: ExistingFolder | None = None,
        data_dir: str | Path = "data",
        download: bool = True,
        batch_size: Annotated[int, Ge(2)] = 128,
        image_size: MNISTImageSize = 32,
        channels: Channels = 1,
        black: float = 0.0,
        white: float | None = None,
        on_bad_file: OnBadFile = "skip",
    ) -> None:
        super().__init__(batch_size=batch_size)
        if batch_size % 2:
            raise UserError(
                f"data.batch_size={batch_size}: half of it is of the source and half of the target, so it is even. Say "
                f"data.batch_size={batch_size + 1}."
            )
        for key, word in (("source", source), ("target", target)):
            checks.folder(key, word)
        self.source, self.target = source, target
        checks.levels(black, white)
        checks.one_of("on_bad_file", on_bad_file, ("skip", "error"))
        self.file_settings = FileSettings(black=black, white=white, on_bad_file=on_bad_file)
        self.photos, self.data_dir, self.download = photos, data_dir, checks.boolean("download", download)
        self.sample_shape = (checks.channels(channels), image_size, image_size)

    @cached_property
    def parts(self) -> Mapping[str, ImageData]:
        channels, size, _ = self.sample_shape
        return {
            key: image_data(
                word,
                key=key,
                data_dir=self.data_dir,
                batch_size=self.batch_size // 2,
                image_size=size,
                channels=channels,
                download=self.download,
                photos=self.photos,
                files=self.file_settings,
            )
            for key, word in (("source", self.source), ("target", self.target))
        }

    def setup(self, stage: str | None = None) -> None:
        super().setup(stage)
        source, target = self.parts["source"].classes, self.parts["target"].classes
        if source is None or self.first.split("train").labels is None:
            raise UserError(
                f"data.source={self.source} has no labels, and the source is what classes are learnt from. "
                f"{self.first.why_unlabelled or 'Name a labelled set, or a folder with one folder per class.'}"
            )
        if target is not None and len(target) != len(source):
            warnings.warn(
                f"The target has {len(target)} classes and the source {len(source)}: accuracy on the target is not "
                "measured.",
                stacklevel=2,
            )

    @cached_property
    def mean(self) -> Tensor:
        """Return the mean of each channel over training images of both domains (at most 5,000 of each), (C, 1, 1)."""
        total, count = torch.zeros(self.sample_shape[0], dtype=torch.float64), 0
        for part in self.parts.values():
            for batch in part.split("train").at_most(MEAN_OF).batches(256):
                total += batch.x.double().sum((0, 2, 3))
                count += batch.x[:, 0].numel()
        return (total / count).float()[:, None, None]

    def join(self, batches: Mapping[str, Any]) -> DomainBatch:
        return DomainBatch(batches["source"].x, batches["source"].label, batches["target"].x)

    def _check_world(self, world: int) -> None:
        if self.batch_size % (2 * world):
            fits = max(2 * world, self.batch_size // (2 * world) * 2 * world)
            raise UserError(
                f"data.batch_size={self.batch_size} is the batch of all processes together, half of it of each domain, "
                f"and cannot be divided equally over {world} of them. Say data.batch_size={fits}."
            )


class EmbeddedDomains(Domains):
    """Domain adaptation data from built-in sets, without a download.

    Args:
        source: labelled domain: `digits`, `digits_shifted` or `digits_textured`, or a directory.
        target: unlabelled domain, another of these.
        batch_size: global batch size, of all processes together, half source and half target.
        image_size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB).
    """

    def __init__(
        self,
        *,
        source: str = "digits",
        target: str = "digits_shifted",
        batch_size: Annotated[int, Ge(2)] = 128,
        image_size: MNISTImageSize = 16,
        channels: Channels = 3,
    ) -> None:
        super().__init__(source=source, target=target, batch_size=batch_size, image_size=image_size, channels=channels)
