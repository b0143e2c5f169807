"""Resolution of the names of image sets in commands, with a quick inspection. Imports no torch."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from datamodules.catalogue import CATALOGUE
from datamodules.image_sets import npz
from datamodules.survey import (
    HEADERS,
    SPLITS,
    SUFFIXES,
    FileSize,
    ImageFile,
    SplitName,
    by_split,
    search,
    sizes,
    spread,
)
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import printable

Kind = Literal["folder", "npz", "data", "run", "statistics"]

_IMAGES = ("Digits", "Vision", "DigitsTextured", "DigitsShifted", "MNISTM")
NAMES = tuple(name for name, entry in CATALOGUE.items() if entry.module in _IMAGES)

WHAT = (
    "a folder of images, an .npz of images, a data set (cifar10, cifar10:test), a run, or an .npz of FID statistics "
    "(mu and sigma)"
)


@dataclass(frozen=True)
class SetFacts:
    """Facts about a set of images from a quick inspection.

    key: the argument that names the set, for messages. text: the name as typed.
    place: folder or file; None for a data set. name: name of a data set, else empty. split: for data with splits.
    images: number of images; None if not known yet. shape: (C, H, W); None if not known yet.
    """

    key: str
    text: str
    kind: Kind
    place: Path | None = None
    name: str = ""
    split: SplitName | None = None
    images: int | None = None
    shape: tuple[int, int, int] | None = None


def recognised(key: str, text: str, *, split: SplitName, resized: bool = False) -> SetFacts:
    """Resolve the name of a set of images.

    Args:
        key: the argument, for messages: "generated".
        split: default split, for data with splits.
        resized: True if images are resized, so that their sizes may differ.

    Raises:
        UserError: no such set, or an empty or damaged one, or images of several sizes.
    """
    name, colon, said = text.rpartition(":")
    if colon and said in SPLITS and not Path(text).exists():
        return _with_split(key, text, name, said, resized)
    if colon and (name in NAMES or Path(name).is_dir()) and not Path(text).exists():
        near = get_close_matches(said, SPLITS, n=1)
        hint = f"Did you mean {key}={name}:{near[0]}?" if near else f"Say {key}={name}:train or {key}={name}:test."
        raise UserError(f"{key}={text}: there is no split {said!r}; there are {', '.join(SPLITS)}. {hint}")
    if text in NAMES:
        return SetFacts(key, text, "data", name=text, split=split)
    path = Path(text).expanduser()
    if path.is_file():
        return _file(key, text, path)
    if path.is_dir():
        if any((folder / "model.yaml").is_file() for folder in (path, path / "generator")):
            return SetFacts(key, text, "run", path)
        return _folder(key, text, path, split, said=False, resized=resized)
    raise UserError(f"{key}={text}: {_unknown(key, text, path)}")


def _with_split(key: str, text: str, name: str, split: SplitName, resized: bool) -> SetFacts:
    if name in NAMES:
        return SetFacts(key, text, "data", name=name, split=split)
    path = Path(name).expanduser()
    if path.is_dir():
        return _folder(key, text, path, split, said=True, resized=resized)
    raise UserError(f"{key}={text}: {_unknown(key, name, path, f':{split}')}")


def _unknown(key: str, text: str, path: Path, rest: str = "") -> str:
    if text in CATALOGUE and text != "folder":
        return f"the data set {text} is not a set of images. The sets of images are {', '.join(NAMES)}."
    try:
        beside = [
            str(path.parent / other.name)
            for other in path.parent.iterdir()
            if other.is_dir() or other.suffix.lower() == ".npz"
        ]
    except OSError:
        beside = []
    plain = {str(Path(other)): other for other in beside}
    near = get_close_matches(text, [*NAMES, *plain], n=2)
    hint = f" Did you mean {' or '.join(f'{key}={name}{rest}' for name in near)}?" if near else ""
    return f"there is no such file, folder or data set.{hint} It is {WHAT}."


def _file(key: str, text: str, path: Path) -> SetFacts:
    if path.suffix.lower() != ".npz":
        one = path.suffix.lower() in SUFFIXES
        more = " A single image is no set: name the folder that it lies in." if one else ""
        raise UserError(f"{key}={text} is a file of another kind.{more} It is {WHAT}.")
    if npz.STATISTICS.issubset(npz.names(path)):
        return SetFacts(key, text, "statistics", path)
    found = npz.described(path)
    _check_count(key, text, found.images)
    return SetFacts(key, text, "npz", path, images=found.images, shape=(found.channels, found.height, found.width))


def _folder(key: str, text: str, path: Path, split: SplitName, *, said: bool, resized: bool) -> SetFacts:
    files, used = split_files(key, text, path, split, said=said)
    looked = sizes(path, spread([file.path for file in files], HEADERS))
    return SetFacts(
        key,
        text,
        "folder",
        path,
        split=used,
        images=len(files),
        shape=shape_of(key, text, looked, resized=resized) if looked else None,
    )


def split_files(
    key: str, text: str, path: Path, split: SplitName, *, said: bool
) -> tuple[list[ImageFile], SplitName | None]:
    """Return the image files of a folder, or of one split if it has split folders (train/ and others), and the split.

    said: True if the split was given and has to exist.

    Raises:
        UserError: there is no image, only one, or no such split.
    """
    try:
        found = search(path)
    except OSError as error:
        raise UserError(f"{key}={text} cannot be read: {error}. Check its permissions.") from error
    if not found:
        empty = not any(path.iterdir())
        why = "is empty" if empty else f"holds no image file (looked for {', '.join(SUFFIXES)}, to any depth)"
        raise UserError(f"{key}={text} {why}. Say {key}=DIR with a folder that holds images. It is {WHAT}.")
    splits = by_split(found)
    parted = len(splits["train"]) < len(found) or any(splits[name] for name in ("validation", "test"))
    if parted and not splits[split] and not said:
        split = "train"
    if said and not (parted and splits[split]):
        there = ", ".join(name for name in SPLITS if splits[name]) if parted else "none"
        raise UserError(
            f"{key}={text}: {path} has no images of a split {split} (a folder {split}/ beside train/; splits there: "
            f"{there}). Say {key}={path} for all of its images."
        )
    files = splits[split] if parted else found
    _check_count(key, text, len(files))
    return files, split if parted else None


def _check_count(key: str, text: str, images: int) -> None:
    if images < 2:
        raise UserError(
            f"{key}={text} holds a single image, and a distribution needs at least two. FID is usually of "
            "10,000 or more."
        )


def shape_of(key: str, text: str, found: Sequence[FileSize], *, resized: bool) -> tuple[int, int, int]:
    """Return (C, H, W) of image files: grey if all are grey, with the most frequent size if they are resized.

    Raises:
        UserError: the sizes differ; the message gives two examples.
    """
    counts = Counter((file.width, file.height) for file in found)
    (width, height), _ = counts.most_common(1)[0]
    if len(counts) > 1 and not resized:
        raise UserError(f"{key}={text} {mixed(found, (width, height))}")
    return (1 if all(file.grey for file in found) else 3), height, width


def mixed(found: Iterable[FileSize], usual: tuple[int, int]) -> str:
    """Return a sentence with a file of the usual size and a file of another size."""
    found = list(found)
    one = next(file for file in found if (file.width, file.height) == usual)
    other = next(file for file in found if (file.width, file.height) != usual)
    named = " and ".join(f"{printable(file.path, 60)} is {file.width}x{file.height}" for file in (one, other))
    return (
        f"holds images of different sizes: {named}. Images of a set are of one size: say data.image_size=32 to bring "
        "both sets to 32x32 pixels."
    )
