"""Messages about a user's files: counts and unexpected findings."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from datamodules.survey import SPLITS, FileSize, SplitName, sizes, spread
from lightning_gans.core.received import printable

SHOWN: Mapping[SplitName, str] = {"train": "training", "validation": "validation", "test": "test"}
WIDTH = 130  # characters of a line, above which names are left out
NAMES = 12  # most names in a list
LOST = 0.25  # share of an image's area above which a crop is reported
LOOKED_AT = 1000  # files whose size is read


def listed(text: str, names: Iterable[str], *, width: int = WIDTH) -> str:
    """Return `text`, a colon and as many names as fit on a line."""
    names = list(names)
    line, shown = f"{text}: ", 0
    for name in names[:NAMES]:
        more = f"{', ' * (shown > 0)}{printable(name, 40)}"
        if len(line) + len(more) > width:
            break
        line, shown = line + more, shown + 1
    return line if shown == len(names) else f"{line}{', ' * (shown > 0)}..."


def counted(counts: Mapping[SplitName, int], classes: Mapping[str, int]) -> str:
    """Describe the number of images in each split, and in each class over all splits."""
    text = f"{', '.join(f'{counts[split]:,} {SHOWN[split]}' for split in SPLITS)} images"
    if not classes:
        return f"{text}, no classes"
    return listed(f"{text}, {len(classes)} classes", (f"{name} ({count:,})" for name, count in classes.items()))


def repeated(count: int, batch_size: int, things: str = "images") -> list[str]:
    """Return a line if a batch contains each training sample several times."""
    if count >= batch_size:
        return []
    times = f"about {batch_size / count:.0f} times" if batch_size >= 1.5 * count else "once or twice"
    return [
        f"data.batch_size={batch_size} is more than the {count:,} training {things}: a batch holds each of them {times}"
    ]


def shapes(root: Path, paths: Sequence[str], image_size: int) -> list[str]:
    """Return lines about images that lose much area to the centre crop, and about images that are enlarged.

    Sizes are read from the headers of up to 1,000 evenly spaced files.
    """
    found = sizes(root, spread(paths, LOOKED_AT))
    of = f"of {len(found):,} images{' looked at' * (len(paths) > LOOKED_AT)}"
    lines = []
    if cropped := [file for file in found if _lost(file) > LOST]:
        worst = max(cropped, key=_lost)
        lines.append(
            f"{len(cropped):,} {of} lose more than a quarter of their area to the square centre crop; the most: "
            f"{_named(worst)}, {_lost(worst):.0%}"
        )
    if small := [file for file in found if min(file.width, file.height) < image_size]:
        smallest = min(small, key=lambda file: min(file.width, file.height))
        lines.append(
            f"{len(small):,} {of} are enlarged to data.image_size={image_size}; the smallest: {_named(smallest)}"
        )
    return lines


def one_colour(images: Tensor, paths: Sequence[str]) -> list[str]:
    """Return a line if some images (N, C, S, S) have a single colour. paths: paths of the images, in order."""
    flat = images.flatten(2)
    same = (flat.amin(2) == flat.amax(2)).all(1).nonzero().flatten().tolist()
    if not same:
        return []
    return [listed(f"{len(same):,} of {len(images):,} training images have one colour", (paths[row] for row in same))]


def _lost(file: FileSize) -> float:
    """Return the share of an image's area outside its centre square."""
    return 1 - min(file.width, file.height) / max(file.width, file.height)


def _named(file: FileSize) -> str:
    shown = file.path if len(file.path) <= 30 else f"...{file.path[-27:]}"
    return f"{printable(shown)} ({file.width}x{file.height})"
