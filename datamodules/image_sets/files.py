"""Image files of a folder as a set of images."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from datamodules import checks, pixels
from datamodules.bad_files import Bad, BadFiles, OnBadFile
from datamodules.base import SplitName
from datamodules.findings import WIDTH, listed
from datamodules.folder import Files, range_note
from datamodules.image_sets.base import LARGEST, ImageSet, Shape
from datamodules.image_sets.facts import SetFacts, shape_of, split_files
from datamodules.sources import decoded
from datamodules.survey import FileSize, class_names, sizes
from lightning_gans.core.activity import activity
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Channels, Count, Natural

HASHED_BYTES = 2**31  # total size up to which a digest hashes content, else names, sizes and times
READ = 64  # files decoded at a time
MANY = 512  # number of files from which workers decode


class FolderImages(ImageSet):
    """Image files of a folder, at any depth; class folders define labels as in `Folder`.

    Args:
        image_size: height and width to which the centre square is resized; None: images keep their size.
        channels: 1 or 3; None: 1 if all files are grey.
        black, white, on_bad_file, workers: as in `Folder`.
    """

    kind = "folder"

    def __init__(
        self,
        facts: SetFacts,
        *,
        image_size: Count | None = None,
        channels: Channels | None = None,
        black: float = 0.0,
        white: float | None = None,
        on_bad_file: OnBadFile = "skip",
        workers: Natural = 2,
    ) -> None:
        assert facts.place is not None
        self.facts, self.text, self.root, self.workers = facts, facts.text, facts.place, workers
        self.place = str(self.root)
        self.levels = checks.levels(black, white)
        self.bad = BadFiles(on_bad_file, kind="image file")
        self._again = partial(
            FolderImages,
            image_size=image_size,
            channels=channels,
            black=black,
            white=white,
            on_bad_file=on_bad_file,
            workers=workers,
        )
        said = facts.split is not None
        self.files, _ = split_files(facts.key, facts.text, self.root, facts.split or "train", said=said)
        self.size = image_size if image_size is None else checks.whole("image_size", image_size, least=1, most=LARGEST)
        self.shape = self._look(None if channels is None else checks.channels(channels))
        names = class_names(self.files)
        numbers = {name: number for number, name in enumerate(names)}
        self.classes = names or None
        self.labels = torch.tensor([numbers[file.folder] for file in self.files]) if names else None
        self.digest, self.digest_of = self._digest()

    def _look(self, channels: int | None) -> Shape:
        """Return the shape of the images; files with unreadable headers are skipped."""
        looked: list[FileSize] = []
        with activity("looking at image files", len(self.files)) as report:
            for start in range(0, len(self.files), MANY):
                looked += sizes(self.root, [file.path for file in self.files[start : start + MANY]])
                report(start + MANY)
        known = {file.path for file in looked}
        if unread := [file.path for file in self.files if file.path not in known]:
            self._report(Bad(path, "of no known image format, or damaged") for path in unread)
            self.files = [file for file in self.files if file.path in known]
        if len(looked) < 2:
            raise UserError(
                f"{self.facts.key}={self.text}: {len(looked)} of its images can be read; "
                f"{next(iter(self.bad), 'none')} is {next(iter(self.bad.values()), 'missing')}. Name another folder."
            )
        found, height, width = shape_of(self.facts.key, self.text, looked, resized=self.size is not None)
        return channels or found, self.size or height, self.size or width

    def _digest(self) -> tuple[str, str]:
        digest = hashlib.sha256(f"{self.levels}".encode() if self.levels != pixels.FULL_RANGE else b"")
        whole = sum(file.size for file in self.files) <= HASHED_BYTES
        with activity("digest of image files", len(self.files)) as report:
            for number, file in enumerate(self.files, 1):
                report(number)
                digest.update(f"{file.inner}\0{file.size}\0".encode(errors="surrogateescape"))
                digest.update((self.root / file.path).read_bytes() if whole else f"{file.modified}\0".encode())
        return digest.hexdigest(), "names and content" if whole else "names, sizes and times"

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: Tensor) -> None:
        super().take(rows)
        self.files = [self.files[row] for row in rows.tolist()]

    def _pictures(self) -> "OwnSize":
        channels, height, width = self.shape
        return OwnSize(
            self.root,
            [file.path for file in self.files],
            self.labels,
            sides=(width, height),
            size=self.size,
            channels=channels,
            levels=self.levels,
        )

    def batches(self, size: int) -> Iterator[SampleBatch]:
        pictures = self._pictures()
        chunks = (rows.tolist() for rows in torch.arange(len(self)).split(min(size, READ)))
        workers = self.workers if len(self) > MANY else 0
        for images, rows, bad, _ in decoded(pictures, chunks, workers=workers, replace=False):
            self._report(bad)
            if rows:
                yield SampleBatch(pixels.normalise(images), None if self.labels is None else self.labels[rows])

    def held_out(self) -> ImageSet | None:
        if self.facts.split is None:
            return None
        other: SplitName = "train" if self.facts.split == "test" else "test"
        try:
            return self._again(replace(self.facts, text=f"{self.root}:{other}", split=other))
        except UserError:
            return None

    def notes(self) -> list[str]:
        extremes = self._pictures().extremes()
        text = None if extremes is None else range_note(self.text, extremes, self.levels)
        notes = [] if text is None else [text]
        if not self.bad:
            return notes
        named = (f"{name} ({reason})" for name, reason in self.bad.items())
        more = WIDTH + len(self.text)
        left = "1 image file of {} is" if len(self.bad) == 1 else f"{len(self.bad):,} image files of {{}} are"
        return [*notes, listed(f"{left.format(self.text)} left out: unreadable", named, width=more)]

    def _report(self, bad: Iterable[Bad]) -> None:
        with warnings.catch_warnings(action="ignore"):  # reported by `notes`
            self.bad.report(bad)


class OwnSize(Files):
    """Image files that keep their size.

    Args:
        sides: width and height of the files; a file of another size is treated as unreadable.
        size: height and width to which the centre square is resized instead.
    """

    def __init__(
        self,
        root: Path,
        paths: Sequence[str],
        labels: Tensor | None,
        *,
        sides: tuple[int, int],
        size: int | None,
        channels: int,
        levels: pixels.Levels,
    ) -> None:
        super().__init__(root, paths, labels, size=size or 0, channels=channels, levels=levels)
        self.sides = sides

    def fit(self, picture: Image.Image) -> Tensor:
        if self.size:
            return super().fit(picture)
        image = pixels.whole(picture, channels=self.channels, levels=self.levels)
        if image.shape[:0:-1] != self.sides:
            raise ValueError(f"it is {image.shape[2]}x{image.shape[1]}, not {self.sides[0]}x{self.sides[1]}")
        return image
