"""Checks that two sets of images can be compared. Imports no torch."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lightning_gans.core.errors import UserError


class Shaped(NamedTuple):
    """Name of a set in messages (generated=samples/), and shape of its images (C, H, W); None if unknown.

    fixed: whether its images do not depend on the data settings, as for samples of a run and tensors.
    """

    name: str
    shape: tuple[int, int, int] | None
    fixed: bool = False


def check_pair(generated: Shaped, reference: Shaped, metrics: str) -> None:
    """Refuse grey against RGB images, and sizes that the extractor cannot compare.

    Raises:
        UserError: names the setting that makes the sets comparable.
    """
    if generated.shape is None or reference.shape is None:
        return
    (channels, *size), (others, *other) = generated.shape, reference.shape
    fixed = next((side for side in (generated, reference) if side.fixed), None)
    if channels != others:
        kind = {1: "grey", 3: "RGB"}
        fits = "data.channels=3 to bring both to RGB, or data.channels=1 to bring both to grey"
        if fixed is not None and fixed.shape is not None:
            fits = f"data.channels={fixed.shape[0]}, since those of {fixed.name} stay {kind[fixed.shape[0]]}"
        raise UserError(
            f"{generated.name} holds {kind[channels]} images and {reference.name} {kind[others]} ones. Say {fits}."
        )
    if metrics != "inception" and size != other:
        fits = "data.image_size=32 to bring both to 32x32 pixels"
        if fixed is not None and fixed.shape is not None:
            fits = f"data.image_size={fixed.shape[1]}, since those of {fixed.name} keep their size"
        raise UserError(
            f"metrics={metrics} compares images of one size: those of {generated.name} are {size[1]}x{size[0]} and "
            f"those of {reference.name} {other[1]}x{other[0]}. Say {fits}; metrics=inception takes any sizes."
        )
    if metrics == "classifier" and other[0] != other[1]:
        raise UserError(
            f"metrics=classifier takes square images, and those of {reference.name} are {other[1]}x{other[0]}. Say "
            "data.image_size=32 for the square in their centre."
        )
    if metrics == "classifier" and other[0] < 8:
        raise UserError(
            f"metrics=classifier takes images of 8 pixels or more; those of {reference.name} are {other[0]}."
        )


def check_samples(name: str, held: int, wanted: int, why: str) -> None:
    """Refuse a set that is too small.

    Raises:
        UserError: names the number of its images.
    """
    if held < wanted:
        raise UserError(
            f"{name} holds {held:,} images, and {why} takes {wanted:,}. Name a larger set, or say samples={held} to "
            "compare as many as there are; the results will say so."
        )


def check_overwriting(statistics: Path, sets: Iterable[Path]) -> None:
    """Refuse to write statistics over one of the sets, or over any other file that is no statistics file.

    Raises:
        UserError: such a file exists.
    """
    if any(other.exists() and statistics.exists() and statistics.samefile(other) for other in sets):
        raise UserError(
            f"statistics={statistics} is one of the two sets, and would be overwritten. Name another file for the "
            "statistics."
        )
    if not statistics.is_file():
        return
    try:
        with zipfile.ZipFile(statistics) as archive:
            held = set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        held = set()
    if not {"mu.npy", "sigma.npy"} <= held:
        raise UserError(
            f"statistics={statistics}: a file of this name is there, and it holds no statistics (mu and sigma). Name "
            "another file, or remove this one."
        )
