"""Sample files, written in one pass over batches: atomically, and with reproducible bytes."""

import csv
import io
import math
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import atomic, write_atomically
from lightning_gans.reporting.images import image_grid, is_picture, png, save_png, to_picture
from lightning_gans.reporting.planar import planar_figure

Part = np.ndarray[Any, Any]  # uint8 (b, C, H, W) or float32 (b, d)
Take = Callable[[Part], object]
Shape = tuple[int, ...]  # of one sample


@contextmanager
def npz(path: Path, n: int, shape: Shape, dtype: Any) -> Iterator[Take]:
    """Write one array `samples`, (n, *shape), for numpy.load."""
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (n, *shape)}
    # An explicit ZipInfo, because zipfile would store the time; written in parts, because all may not fit in memory.
    with (
        atomic(path) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        archive.open(zipfile.ZipInfo("samples.npy"), "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        yield lambda part: file.write(part.tobytes())


@contextmanager
def folder(path: Path, names: Iterator[str], shape: Shape) -> Iterator[Take]:
    """Write one PNG per image under the next name, first to a temporary folder, and move all into place at the end.

    Raises:
        UserError: the samples are not grey or RGB images, or the folder cannot be written.
    """
    if len(shape) != 3 or shape[0] not in (1, 3):
        what = "points" if len(shape) == 1 else f"of shape {shape}"
        raise UserError(
            f"folder={path}: the samples of this run are {what}, not grey or RGB images, so they make no PNGs. "
            "Say npz=samples.npz for the numbers."
        )
    aside: Path | None = None
    made: list[Path] = []
    try:
        path.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=path, prefix=".samples-"))

        def take(part: Part) -> None:
            for image in torch.from_numpy(part):
                made.append(aside / next(names))
                made[-1].write_bytes(png(to_picture(image)))

        yield take
        for file in made:
            file.replace(path / file.name)
    except OSError as error:
        raise UserError(
            f"Could not write folder={path}: {error.strerror or error}. Free some space or name another folder."
        ) from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def grid(path: Path, shape: Shape, most: int) -> Iterator[Take]:
    """Write a picture of the first `most` samples: images in a square grid, points as a scatter plot or histogram.

    Raises:
        UserError: the samples cannot be drawn, or a file cannot be written.
    """
    if not is_picture(shape):
        raise UserError(
            f"The samples of this run have shape {shape}, of which no picture can be made (only of images, and of "
            "points on the line or the plane). Say npz=samples.npz for the numbers."
        )
    kept: list[Part] = []

    def take(part: Part) -> None:
        if left := most - sum(map(len, kept)):
            kept.append(part[:left].copy())  # a view would keep the whole part in memory

    yield take
    samples = torch.from_numpy(np.concatenate(kept))
    if len(shape) == 3:
        save_png(image_grid(samples, columns=math.isqrt(len(samples) - 1) + 1), path)
    else:
        save_png(planar_figure(samples, title=f"{len(samples):,} samples"), path)


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV table; floats keep seven significant digits, the precision of float32.

    Raises:
        UserError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([f"{value:.7g}" if isinstance(value, float) else value for value in row] for row in rows)
    write_atomically(path, text.getvalue().encode(errors="surrogateescape"))  # file names may contain any bytes
