"""Images in .npz files: selection of the array, and reading in batches. Imports no torch."""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from lightning_gans.core.errors import UserError
from lightning_gans.core.received import printable

UNREADABLE = (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
STATISTICS = {"mu", "sigma"}  # the arrays of a file of FID statistics
USUAL = ("arr_0", "samples", "images")  # names of image arrays, if a file has several arrays


class ImageArray(NamedTuple):
    """An array of images in an .npz.

    name: name of the array. images, height, width, channels: its shape. first: True if channels come before height.
    dtype: numpy's code, such as "|u1" or "<f4".
    """

    name: str
    images: int
    height: int
    width: int
    channels: int
    first: bool
    dtype: str

    @property
    def row(self) -> tuple[int, ...]:
        """Return the stored shape of one image; grey images may lack the channel axis."""
        sides = self.height, self.width
        return (self.channels, *sides) if self.first else (*sides, self.channels)


def names(path: Path) -> set[str]:
    """Return the names of the arrays in an .npz.

    Raises:
        UserError: the file is not an .npz, or is truncated.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except UNREADABLE as error:
        raise UserError(
            f"{printable(path)} cannot be read: it is no .npz file, or it is damaged or cut short ({error}). Write it "
            "anew with numpy.savez(FILE, images), or name a folder of images."
        ) from error


def described(path: Path) -> ImageArray:
    """Return the image array of an .npz: `arr_0`, `samples` or `images`, or its only array.

    Raises:
        UserError: there are several other arrays, or the array does not contain images.
    """
    found = names(path)
    name = next((usual for usual in USUAL if usual in found), next(iter(found)) if len(found) == 1 else None)
    if not found:
        raise UserError(f"{printable(path)} holds no array. Write one of the images: numpy.savez(FILE, images).")
    if name is None:
        raise UserError(
            f"{printable(path)} holds the arrays {_listed(found)}, and it is not clear which of them is the images. "
            "Write one array of them: numpy.savez(FILE, images)."
        )
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            shape, fortran, dtype = npy_header(file)
    except UNREADABLE as error:
        raise UserError(
            f"{printable(path)}: its array {printable(name)} cannot be read ({error}). Write it "
            "anew: numpy.savez(FILE, images)."
        ) from error
    text = f"{printable(path)}: its array {printable(name)} is {dtype} of shape {shape}"
    if dtype.hasobject or dtype.kind not in "uf" or (dtype.kind == "u" and dtype.itemsize != 1):
        kind = "Python objects, which are never loaded" if dtype.hasobject else "neither bytes nor floats"
        raise UserError(
            f"{text}: {kind}. Write images as uint8 (N, H, W, C), or as floats: numpy.savez(FILE, "
            "numpy.stack(images).astype(numpy.uint8))."
        )
    sides = _sides(shape)
    if sides is None or fortran:
        why = "it is in Fortran order" if fortran else "those are no images"
        raise UserError(f"{text}: {why}. Images are (N, H, W, C) in C order, with C=1 for grey or C=3 for RGB.")
    return ImageArray(name, shape[0], *sides, dtype.str)


def _sides(shape: tuple[int, ...]) -> tuple[int, int, int, bool] | None:
    """Return height, width, channels, and True if the channels come first."""
    if len(shape) == 3:
        return shape[1], shape[2], 1, True
    if len(shape) == 4 and shape[3] in (1, 3):
        return shape[1], shape[2], shape[3], False
    if len(shape) == 4 and shape[1] in (1, 3):
        return shape[2], shape[3], shape[1], True
    return None


def rows(path: Path, array: ImageArray, size: int) -> Iterator[Any]:
    """Yield the images, `size` at a time: numpy (b, C, H, W), with stored values.

    Raises:
        UserError: the array is truncated or damaged.
    """
    import numpy as np

    dtype = np.dtype(array.dtype)
    each = dtype.itemsize * array.height * array.width * array.channels
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{array.name}.npy") as file:
            npy_header(file)
            for start in range(0, array.images, size):
                count = min(size, array.images - start)
                content = file.read(count * each)
                if len(content) < count * each:
                    raise EOFError(f"it says {array.images:,} images and has fewer")
                part = np.frombuffer(content, dtype).reshape(count, *array.row)
                yield part if array.first else part.transpose(0, 3, 1, 2)
            file.read(1)  # reading the end of the member verifies its checksum
    except UNREADABLE as error:
        raise UserError(
            f"{printable(path)} is damaged or cut short: its array {printable(array.name)} cannot be read ({error}). "
            "Write it anew."
        ) from error


def npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, Any]:
    """Read the header of a .npy file: shape, True for Fortran order, and dtype.

    Raises:
        ValueError: not a .npy file, or a file without samples.
    """
    from numpy.lib import format as npy

    if npy.read_magic(file) != (1, 0):  # headers of later versions may declare gigabytes
        raise ValueError("it is written in another version of the .npy format than 1.0")
    shape, fortran, dtype = npy.read_array_header_1_0(file)
    if not shape or min(shape) < 1:
        raise ValueError(f"it is empty: its shape is {shape}" if 0 in shape else f"its shape is {shape}")
    return shape, fortran and len(shape) > 1, dtype


def _listed(found: set[str]) -> str:
    return ", ".join(printable(name, 40) for name in sorted(found)[:6])
