"""Data module of any folder of images."""

import hashlib
import unicodedata
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from datamodules import checks
from datamodules.bad_files import OnBadFile
from datamodules.catalogue import always_there
from datamodules.findings import counted, listed, one_colour, repeated, shapes
from datamodules.images import ImageData, InMemory
from datamodules.pixels import FULL_RANGE, Levels, extremes
from datamodules.sources import Extremes, Pictures, Source, Tensors, joined
from datamodules.survey import (
    SPLITS,
    SUFFIXES,
    TOPS,
    ImageFile,
    SplitName,
    by_split,
    class_names,
    natural,
    opened,
    search,
    strays,
)
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import printable
from lightning_gans.settings import Channels, Count, ExistingFolder, Fraction, ImageSize, Natural

__all__ = ["SUFFIXES", "TOPS", "Files", "Folder", "ImageFile"]

MOST = 2**16 - 1  # the largest value of 16 bits
LOOKED_AT = 32  # streamed files of each split whose range of values is examined
HASHED_BYTES = 2**26  # total size up to which a fingerprint hashes content, else names and sizes


class Files(Pictures):
    """Image files below a folder, by relative path."""

    def __init__(
        self,
        root: Path,
        paths: Sequence[str],
        labels: Tensor | None,
        *,
        size: int,
        channels: int,
        levels: Levels = FULL_RANGE,
    ) -> None:
        super().__init__(labels, size=size, channels=channels, levels=levels)
        self.root, self.paths = root, paths

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, index: int) -> Image.Image:
        return opened(self.root / self.paths[index])

    def name(self, index: int) -> str:
        return self.paths[index]

    def extremes(self) -> Extremes | None:
        found = []
        for index in range(0, len(self), max(1, -(-len(self) // LOOKED_AT))):
            with suppress(Exception), self.open(index) as picture:  # decoders may raise any exception on a damaged file
                found.append(extremes(picture))
        return joined(found)


class Folder(ImageData):
    """Image folder: image files below `root`, at any depth.

    Grey, RGB, RGBA, palette, CMYK and 16-bit files of any shape become squares: turned upright (EXIF), laid on white
    where transparent, the centre square resized by antialiased bicubic. Grey files of 16 and 32 bits and of floats are
    scaled to 8 bits, from `black` to `white`.

    If all files lie in two or more sibling folders, these folders are the classes, in natural order: 1, 2, 10 (until
    December 2026 in text order: 1, 10, 2; the two differ only if names contain numbers of different lengths). Top
    folders train/, val/ and test/ are the splits. A split without a folder is taken from train by a hash of each file's
    path, so that a new file never moves another one between splits.

    Args:
        root: directory of the images.
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey) or 3 (RGB); files are converted.
        load_size: height and width in pixels to which files are resized, `image_size` or more; from these a square of
            `image_size` is cropped for training, at a random place in every iteration. Held-out images are resized to
            `image_size`. None: no random crop.
        horizontal_flip: random mirroring of half of the training images, in every iteration.
        dequantize: noise U[0, 1/128) on every number of the training images, in every iteration.
        validation_share: share of the training files that is held out for validation, where there is no such directory;
            approximate, as a hash divides.
        test_share: share of the training files that is held out for the test, where there is no such directory.
        in_memory: decoded images held in one tensor; "auto": if that takes no more than 1 GiB.
        workers: processes that decode files if the pixels are not held in memory.
        black: value that becomes black in grey files of 16 or 32 bits and of floats, where `white` is given.
        white: value that becomes white in such files, as 4095 for 12-bit values; values beyond are clipped; None: the
            full range, 65535 for integers and 255 for floats (1 where none is above 1).
        on_bad_file: treatment of unreadable files: "skip" with one warning that names them, or an "error".
        holdout: validation images; 0 leaves validation empty and trains on the others, None: those of `val/`, or
            `validation_share`.

    Raises:
        UserError: no such folder, or no readable image in it.
    """

    tops: Mapping[str, SplitName] = TOPS  # top folders that define splits
    key = "root"  # the setting with the folder, for messages: "a" for data.a

    def __init__(
        self,
        *,
        root: ExistingFolder,
        batch_size: Count = 64,
        image_size: ImageSize = 32,
        channels: Channels = 3,
        load_size: Count | None = None,
        horizontal_flip: bool = False,
        dequantize: bool = False,
        validation_share: Fraction = 0.1,
        test_share: Fraction = 0.1,
        in_memory: InMemory = "auto",
        workers: Natural = 2,
        black: float = 0.0,
        white: float | None = None,
        on_bad_file: OnBadFile = "skip",
        holdout: Natural | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            image_size=image_size,
            channels=channels,
            load_size=load_size,
            horizontal_flip=horizontal_flip,
            dequantize=dequantize,
            in_memory=in_memory,
            workers=workers,
            on_bad_file=on_bad_file,
            holdout=holdout,
        )
        self.root = checks.folder("root", root)
        self.levels = checks.levels(black, white)
        self.shares: dict[SplitName, float] = {
            "test": checks.number("test_share", test_share, least=0),
            "validation": checks.number("validation_share", validation_share, least=0),
        }
        if sum(self.shares.values()) >= 1:
            raise UserError(
                f"data.validation_share={validation_share} and data.test_share={test_share} leave nothing to train "
                "on: together they are below 1. Say data.validation_share=0.1 data.test_share=0.1."
            )

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        return class_names(self._all) or None

    @property
    def _all(self) -> list[ImageFile]:
        return [file for files in self.files.values() for file in files]

    @property
    def why_unlabelled(self) -> str:
        """Return the reason why these images have no labels; empty if they have labels."""
        if self.classes:
            return ""
        rule = "Images have labels if all of them lie in class folders, and there are at least two of these"
        here = f"{rule}; in data.{self.key}={self.root}"
        folders = sorted({file.folder for file in self._all} - {""}, key=natural)
        if loose := strays(self._all):
            more = f" and {len(loose) - 1:,} more lie" if len(loose) > 1 else " lies"
            beside = listed("", folders, width=80).removeprefix(": ")
            move = f"Move {'them' if len(loose) > 1 else 'it'} into one of these or out."
            return f"{here}, {printable(loose[0].path, 60)}{more} beside the folders {beside}. {move}"
        if folders and all(file.folder for file in self._all):
            return f"{here} there is only {printable(folders[0], 40)}."
        return f"{here} there are none."

    @cached_property
    def files(self) -> dict[SplitName, list[ImageFile]]:
        """Return the files of each split, sorted by path."""
        found = self._found()
        if not found:
            raise UserError(
                f"data.{self.key}={self.root} holds no image file (looked for {', '.join(SUFFIXES)}, to any depth). "
                f"Say data.{self.key}=DIR with a folder that does, or data= one of {', '.join(always_there())}."
            )
        return self._validated(self._carve(self._by_split(found)))

    def _by_split(self, found: Sequence[ImageFile]) -> dict[SplitName, list[ImageFile]]:
        return by_split(found, self.tops)

    def _found(self) -> list[ImageFile]:
        if not self.root.is_dir():
            raise UserError(
                f"data.{self.key}={self.root} is not a folder. Say data.{self.key}=DIR with the folder that holds your "
                f"images, or data= one of {', '.join(always_there())}, which need none."
            )
        try:
            return search(self.root)
        except OSError as error:
            raise UserError(f"data.{self.key}={self.root} cannot be read: {error}. Check its permissions.") from error

    def _carve(self, splits: dict[SplitName, list[ImageFile]]) -> dict[SplitName, list[ImageFile]]:
        """Take splits without files of their own from train, with at least one file each if there are three files."""
        splits, limit, enough = dict(splits), 0.0, len(splits["train"]) > 2
        for name, share in self.shares.items():
            train = splits["train"]
            if share and not splits[name] and enough and not (name == "validation" and self.holdout is not None):
                limit += share
                taken = [file for file in train if _place(file.inner) < limit] or [min(train, key=_by_place)]
                if len(taken) < len(train):
                    splits |= {name: taken, "train": sorted(set(train) - set(taken))}
        return splits

    def _validated(self, splits: dict[SplitName, list[ImageFile]]) -> dict[SplitName, list[ImageFile]]:
        """Limit validation to `holdout` files, from their own folder if there is one, else from train."""
        if self.holdout is None:
            return splits
        if splits["validation"]:
            return splits | {"validation": sorted(sorted(splits["validation"], key=_by_place)[: self.holdout])}
        taken = sorted(splits["train"], key=_by_place)[: self.held(0, len(splits["train"]))]
        return splits | {"validation": sorted(taken), "train": sorted(set(splits["train"]) - set(taken))}

    @cached_property
    def fingerprint(self) -> str:
        content = self._content([(name, file) for name, files in self.files.items() for file in files])
        # Labels are in natural order; the key excludes caches written with another order.
        renumbered = list(self.classes or ()) != sorted(self.classes or ())
        more: dict[str, object] = {"class_order": "natural"} if renumbered else {}
        more |= {} if self.levels == FULL_RANGE else {"levels": self.levels}
        return self.digest(content, **more)

    def _content(self, files: Sequence[tuple[str, ImageFile]]) -> str:
        """Return sha256 (hex) of files with a tag each, by content if they are small, else by names and sizes."""
        digest = hashlib.sha256()
        whole = sum(file.size for _, file in files) <= HASHED_BYTES
        for word, file in files:
            digest.update(f"{word}\0{file.path}\0{file.size}\0".encode(errors="surrogateescape"))
            if whole:
                digest.update((self.root / file.path).read_bytes())
        return digest.hexdigest()

    def read(self) -> Mapping[str, Source]:
        numbers = {name: number for number, name in enumerate(self.classes or ())}
        pictures: dict[str, Pictures] = {}
        for name, files in self.files.items():
            labels = torch.tensor([numbers[file.folder] for file in files], dtype=torch.int64) if numbers else None
            paths = [file.path for file in files]
            pictures[name] = self._pictures(paths, labels)
        times = [file.modified for file in self._all]
        sources = self.hold(pictures, self.digest(self.fingerprint, str(times)))
        if not len(sources["train"]):
            reason = next(iter(self.bad_files.items()), ("", ""))
            raise UserError(
                f"data.{self.key}={self.root} holds no training image that can be read; the first file is {reason[0]} "
                f"({reason[1]}). Say data.{self.key}=DIR with another folder."
            )
        return sources

    def _pictures(self, paths: Sequence[str], labels: Tensor | None) -> Pictures:
        return Files(self.root, paths, labels, size=self.stored_size, channels=self.channels, levels=self.levels)

    def notes(self) -> list[str]:
        labels = {split: self.split(split).labels for split in SPLITS}
        counts = {split: len(self.sources[split]) for split in SPLITS}
        names = self.classes or ()
        of_class = sum(torch.bincount(found, minlength=len(names)) for found in labels.values() if found is not None)
        lines = [
            counted(counts, dict(zip(names, of_class.tolist(), strict=True)) if isinstance(of_class, Tensor) else {})
        ]
        lines += self._notes_on_classes()
        if labels["train"] is not None:
            lacking = [name for number, name in enumerate(names) if not (labels["train"] == number).any()]
            lines += [listed(f"{len(lacking)} classes have no training image", lacking)] if lacking else []
        paths = {split: [f.path for f in files if f.path not in self.bad_files] for split, files in self.files.items()}
        lines += shapes(self.root, [path for split in SPLITS for path in paths[split]], self.image_size)
        train = self.sources["train"]
        lines += one_colour(train.x, paths["train"]) if isinstance(train, Tensors) else []
        return lines + repeated(counts["train"], self.batch_size)

    def _notes_on_classes(self) -> list[str]:
        """Return notes on why class folders are ignored, if there are any."""
        if loose := strays(self._all):
            more = f" and {len(loose) - 1:,} more images lie" if len(loose) > 1 else " lies"
            return [f"class folders are ignored: {printable(loose[0].path, 40)}{more} beside them"]
        if not self.classes and all(file.folder for file in self._all):
            return [f"the only class folder, {printable(self._all[0].folder, 40)}, is ignored: labels need two"]
        return []

    def check_levels(self, extremes: Extremes | None) -> None:
        if extremes is None:
            return
        if (text := range_note(f"data.{self.key}={self.root}", extremes, self.levels)) is not None:
            warnings.warn(text, stacklevel=2)


def range_note(name: str, extremes: Extremes, levels: Levels) -> str | None:
    """Return a sentence if values of files with more than 8 bits exceed, or do not fill, the range black to white."""
    (low, high), (black, white) = extremes, levels
    found = f"{name}: the values of its files of more than 8 bits are from {low:,} to {high:,}"
    if white is None and high < MOST / 4:
        least = f" data.black={low}" if low > high / 4 else ""
        fitting = max(1, 2 ** high.bit_length() - 1)
        return (
            f"{found}, and white is {MOST:,}, so that all are nearly black. Say{least} data.white={fitting} to scale "
            f"by their own range, or data.white={MOST} to keep it."
        )
    if white is not None and (low < black or high > white):
        return f"{found}; data.black={black:g} data.white={white:g} clips those beyond."
    return None


def _place(path: str) -> float:
    """Hash a path to a number in [0, 1) that determines its split."""
    text = unicodedata.normalize("NFC", path).encode(errors="surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=7).digest()) / 2**56


def _by_place(file: ImageFile) -> float:
    return _place(file.inner)
