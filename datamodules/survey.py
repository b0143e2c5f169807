"""Image files of a folder: search, splits, class folders, and sizes from headers. Imports no torch and no numpy."""

import os
import re
import statistics
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from PIL import Image

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

SUFFIXES = tuple(
    f".{kind}"
    for kind in ("bmp", "gif", "jfif", "jp2", "jpeg", "jpg", "pbm", "pgm", "png", "pnm", "ppm", "tif", "tiff", "webp")
)

# Formats allowed by content, not by name: PIL would run Ghostscript for a PostScript file named a.png.
FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")

# Top folders that define splits.
TOPS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}

HEADERS = 64  # most files whose size and mode `describe` reads
GREY_MODES = ("1", "L", "LA", "La", "F")  # modes of PIL, besides those of 16 and 32 bits, which start with I
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)  # EXIF: width and height are swapped


class ImageFile(NamedTuple):
    """An image file. path: relative to the root, with slashes; inner: relative to its split folder, else path."""

    path: str
    inner: str
    size: int
    modified: int  # ns

    @property
    def folder(self) -> str:
        """Return the class folder of the file; empty if there is none."""
        return self.inner.partition("/")[0] if "/" in self.inner else ""


class FileSize(NamedTuple):
    """The size of an upright image in pixels. path: relative to the root."""

    path: str
    width: int
    height: int
    grey: bool


class FolderFacts(NamedTuple):
    """Facts about a folder of images from a quick inspection.

    images: number of image files, in all splits; 0 if the folder is missing or cannot be read.
    classes: names of the class folders in the order of their labels; empty without labels.
    size: median width and median height in pixels, of up to 64 files; (0, 0) if none of them can be read.
    grey: True if none of these files is in colour.
    stray: path of the first image next to class folders, which are then ignored; None without one.
    """

    images: int
    classes: tuple[str, ...]
    size: tuple[int, int]
    grey: bool
    stray: str | None


def describe(root: str | Path, tops: Mapping[str, SplitName] = TOPS) -> FolderFacts:
    """Inspect the images below `root` by the rules of `Folder`. Raises no exception.

    Args:
        tops: top folders that define splits, in lower case.
    """
    try:
        found = search(Path(root).expanduser())
    except (OSError, ValueError):  # ValueError: not a valid file name
        found = []
    files = [file for part in by_split(found, tops).values() for file in part]
    headers = sizes(Path(root).expanduser(), spread([file.path for file in files], HEADERS))
    loose = strays(files)
    return FolderFacts(
        images=len(files),
        classes=class_names(files),
        size=(_median(header.width for header in headers), _median(header.height for header in headers)),
        grey=bool(headers) and all(header.grey for header in headers),
        stray=loose[0].path if loose else None,
    )


def search(root: Path) -> list[ImageFile]:
    """Return the image files below a folder, at any depth, sorted by path. Hidden files are left out.

    Raises:
        OSError: the folder does not exist or cannot be read.
    """

    def below(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[ImageFile]:
        status = folder.stat()
        this = (status.st_dev, status.st_ino)
        if this in above:  # a symbolic link to a parent folder
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    yield from below(folder / entry.name, f"{path}/", above | {this})
                elif entry.is_file() and os.path.splitext(entry.name)[1].lower() in SUFFIXES:
                    status = entry.stat()
                    yield ImageFile(path, path, status.st_size, status.st_mtime_ns)

    return sorted(below(root, "", frozenset()))


def by_split(found: Sequence[ImageFile], tops: Mapping[str, SplitName] = TOPS) -> dict[SplitName, list[ImageFile]]:
    """Group files by split folder; without a folder of training files, all files are training files."""
    splits: dict[SplitName, list[ImageFile]] = {name: [] for name in SPLITS}
    for file in found:
        top, _, inner = file.path.partition("/")
        if inner and top.lower() in tops:
            splits[tops[top.lower()]].append(file._replace(inner=inner))
    return splits if splits["train"] else {"train": list(found), "validation": [], "test": []}


def class_names(files: Sequence[ImageFile]) -> tuple[str, ...]:
    """Return class folders in natural order, if there are at least two and every file is in one; else nothing."""
    folders = {file.folder for file in files}
    return tuple(sorted(folders, key=natural)) if len(folders) > 1 and "" not in folders else ()


def strays(files: Sequence[ImageFile]) -> list[ImageFile]:
    """Return the files, sorted by path, that prevent two or more folders from being class folders."""
    several = len({file.folder for file in files} - {""}) > 1
    return sorted(file for file in files if not file.folder) if several else []


def natural(name: str) -> tuple[tuple[tuple[int, int], ...], str]:
    """Return a sort key for natural order, with runs of digits compared by value: 1, 2, 10, 20 and a2, a10.

    The order differs from text order only if two names have runs of digits of different lengths in the same place.
    """
    parts = re.findall(r"[0-9]+|[^0-9]", name)
    # The codes of digits are contiguous, so a run sorts among other characters as its first digit does.
    return tuple((ord("0"), int(part)) if part[0] in "0123456789" else (ord(part), 0) for part in parts), name


def opened(file: str | Path | BinaryIO) -> Image.Image:
    """Open a picture of one of FORMATS by PIL; pixels are decoded on access.

    Raises:
        OSError: no such file, or not a picture.
        ValueError: it declares more pixels than PIL's limit (Image.MAX_IMAGE_PIXELS, 89 million), which could exhaust
            memory even for a small file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(file, formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ValueError(f"it declares more than {Image.MAX_IMAGE_PIXELS:,} pixels") from error


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Return (width, height) of the upright picture without decoding it."""
    width, height = picture.size
    if picture.format == "PNG" and "exif" not in picture.info:
        return width, height  # getexif would decode the whole file to find a block after the pixels
    return (height, width) if picture.getexif().get(ORIENTATION) in TURNED else (width, height)


def is_grey(picture: Image.Image) -> bool:
    """Return True if the mode of an image is grey."""
    return picture.mode in GREY_MODES or picture.mode.startswith("I")


def sizes(root: Path, paths: Iterable[str]) -> list[FileSize]:
    """Read the sizes of image files from their headers; unreadable files are left out."""
    found = []
    for path in paths:
        # decoders may raise any exception on a damaged file
        with suppress(Exception), warnings.catch_warnings(action="ignore"), opened(root / path) as picture:
            found.append(FileSize(path, *upright_size(picture), is_grey(picture)))
    return found


def spread(paths: Sequence[str], most: int) -> Sequence[str]:
    """Return at most `most` evenly spaced paths."""
    return paths[:: max(1, -(-len(paths) // most))]


def _median(sides: Iterable[int]) -> int:
    known = list(sides)
    return statistics.median_low(known) if known else 0
