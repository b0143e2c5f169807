"""Base class of image data: squares of one size, mirrored at random, in memory or streamed from files."""

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import ClassVar, Literal, TypedDict

import torch
from torch import Tensor

from datamodules import cache, checks, pixels
from datamodules.bad_files import Bad, BadFiles, OnBadFile
from datamodules.base import DataModule
from datamodules.sources import Decoded, Extremes, Pictures, Source, Streamed, Tensors, decoded, joined
from lightning_gans.core.activity import activity
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream

log = logging.getLogger(__name__)

IN_MEMORY_BYTES = 2**30  # limit of in_memory=auto, as uint8
CHUNK = 64  # pictures per worker task when all are read into memory

InMemory = Literal["auto"] | bool


class ImageShape(TypedDict):
    """Settings shared by all image data modules, to create several of the same shape: `Digits(**shape)`."""

    batch_size: int
    image_size: int
    channels: int


class FileSettings(TypedDict):
    """Settings of a user's files, as in `Folder`, for data whose parts may be folders."""

    black: float
    white: float | None
    on_bad_file: OnBadFile


class ImageData(DataModule):
    """Images as uint8 (C, S, S), normalised and mirrored in batches: float32 in [-1, 1].

    Args:
        batch_size: global batch.
        image_size: 8, 16, 32, 64, 128 or 256.
        load_size: height and width at which images are stored, from which a square of `image_size` is cropped for
            training, at a random place in every iteration. Held-out images are resized. None: no crop.
        channels: 1 (grey) or 3 (RGB).
        horizontal_flip: mirror half of the training images, drawn anew in every iteration.
        dequantize: add U[0, 1/128) to every number of the training images, drawn anew in every iteration; they are then
            in [-1, 1 + 1/128).
        in_memory: hold files decoded in one tensor; `auto`: if that takes no more than 1 GiB.
        workers: processes that decode files.
        on_bad_file: `skip` unreadable files with one warning that names them, or refuse them with an `error`.
        holdout: validation images; 0 leaves validation empty, None: the set's usual number.
    """

    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[str] = "images"
    native_sizes: tuple[int, ...] = ()  # additional sizes of these images, besides those of all networks

    def __init__(
        self,
        *,
        batch_size: int,
        image_size: int,
        channels: int,
        load_size: int | None = None,
        horizontal_flip: bool = False,
        dequantize: bool = False,
        in_memory: InMemory = "auto",
        workers: int = 2,
        on_bad_file: OnBadFile = "skip",
        holdout: int | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size)
        self.image_size = checks.image_size(image_size, also=self.native_sizes)
        self.channels = checks.channels(channels)
        self.load_size = None if load_size is None else checks.whole("load_size", load_size, least=image_size)
        self.horizontal_flip = checks.boolean("horizontal_flip", horizontal_flip)
        self.dequantize = checks.boolean("dequantize", dequantize)
        self.in_memory: InMemory = checks.one_of("in_memory", in_memory, ("auto", True, False))
        self.workers = checks.whole("workers", workers, least=0)
        self.holdout = None if holdout is None else checks.whole("holdout", holdout, least=0)
        self.sample_shape = (channels, image_size, image_size)
        self.bad_files = BadFiles(on_bad_file, kind="image file")

    @property
    def stored_size(self) -> int:
        """Return height and width of the images in `sources`."""
        return self.load_size or self.image_size

    def finish(self, raw: Tensor) -> Tensor:
        return pixels.normalise(pixels.resize(raw, size=self.image_size))

    def augment(self, raw: Tensor, *, seed: int, iteration: int, rows: slice) -> Tensor:
        if self.load_size is not None:
            places = self.stored_size - self.image_size + 1
            corner = torch.randint(places, (self.batch_size, 2), generator=stream(seed, "crop", iteration))
            raw = pixels.crop(raw, corner[rows].to(raw.device), size=self.image_size)
        if self.horizontal_flip:
            chosen = torch.rand(self.batch_size, generator=stream(seed, "flip", iteration)) < 0.5
            raw = pixels.flip(raw, chosen[rows].to(raw.device))
        if self.dequantize:
            uniform = torch.rand(self.batch_size, *self.sample_shape, generator=stream(seed, "dequantize", iteration))
            raw = pixels.dequantise(raw, uniform[rows].to(raw.device))
        return raw

    def digest(self, *content: str, **parameters: object) -> str:
        """Return sha256 (hex) of content digests and of all settings that determine the pixels."""
        preprocessing = {
            "version": pixels.VERSION,
            "image_size": self.image_size,
            "channels": self.channels,
            **({} if self.load_size is None else {"load_size": self.load_size}),
            **parameters,
        }
        return hashlib.sha256("\n".join((*content, json.dumps(preprocessing, sort_keys=True))).encode()).hexdigest()

    @property
    def own_holdout(self) -> dict[str, object]:
        """Return the contribution to a digest of a number of validation images other than the default."""
        return {} if self.holdout is None else {"holdout": self.holdout}

    def held(self, usual: int, training: int) -> int:
        """Return the number of validation images to take out of `training` images.

        Raises:
            UserError: no training image would be left.
        """
        if self.holdout is None:
            return usual
        if self.holdout >= training:
            raise UserError(
                f"data.holdout={self.holdout:,} leaves nothing to train on: there are {training:,} training images. "
                "Say a smaller number, or data.holdout=0 for no validation images."
            )
        return self.holdout

    def hold(self, pictures: Mapping[str, Pictures], key: str) -> dict[str, Source]:
        """Return files as sources: decoded into memory (and cached on disk under `key`), or streamed."""
        count = sum(map(len, pictures.values()))
        in_memory = self.in_memory
        if in_memory == "auto":
            in_memory = count * self.channels * self.stored_size**2 <= IN_MEMORY_BYTES
        if not in_memory:
            self.check_levels(joined(files.extremes() for files in pictures.values()))
            return {
                name: Streamed(files, workers=self.workers, report=self.bad_files.report)
                for name, files in pictures.items()
            }

        def prepare() -> cache.Kept:
            log.info("Decoding %s images once (kept in %s if that takes long)", f"{count:,}", cache.folder())
            tensors: dict[str, Tensor] = {}
            bad: list[Bad] = []
            found: list[Extremes | None] = []
            for name, files in pictures.items():
                images, rows, unread, extremes = self._decode(files)
                tensors |= {f"{name}.x": images} | ({} if files.labels is None else {f"{name}.y": files.labels[rows]})
                bad += unread
                found.append(extremes)
            return tensors, {"bad": json.dumps(dict(bad)), "extremes": json.dumps(joined(found))}

        tensors, text = cache.kept(key, prepare)
        self.bad_files.report([Bad(*item) for item in json.loads(text["bad"]).items()])
        self.check_levels(json.loads(text.get("extremes", "null")))
        return {name: Tensors(tensors[f"{name}.x"], tensors.get(f"{name}.y")) for name in pictures}

    def _decode(self, files: Pictures) -> Decoded:
        images = torch.empty(len(files), self.sample_shape[0], self.stored_size, self.stored_size, dtype=torch.uint8)
        rows: list[int] = []
        bad: list[Bad] = []
        found: list[Extremes | None] = []
        chunks = (chunk.tolist() for chunk in torch.split(torch.arange(len(files)), CHUNK))
        workers = self.workers if len(files) > 8 * CHUNK else 0  # a worker starts slower than it decodes a few files
        with activity("decoding images", len(files)) as report:
            for part, read, unread, extremes in decoded(
                files, chunks if len(files) else (), workers=workers, replace=False
            ):
                if read:
                    images[len(rows) : len(rows) + len(read)] = part
                rows += read
                bad += unread
                found.append(extremes)
                report(len(rows) + len(bad))
        return Decoded(images[: len(rows)], rows, bad, joined(found))

    def check_levels(self, extremes: Extremes | None) -> None:
        """Warn if files with more than 8 bits use little of the range that is scaled to 8 bits, or exceed it.

        extremes: smallest and largest pixel over all such files read.
        """
