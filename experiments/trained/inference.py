"""Reconstruction, interpolation, traversal and encoding of given samples, for `experiments.sample`."""

import zipfile
import zlib
from collections.abc import Callable
from itertools import chain
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Array = np.ndarray[Any, Any]

COLUMNS = 8  # of a picture of pairs
MOST_BYTES = 2**30  # largest array that is read as a whole
UNREADABLE = (OSError, ValueError, TypeError, KeyError, RuntimeError, EOFError, MemoryError)  # raised on damaged files
DONE = {
    "path": "steps of paths",
    "reconstruct": "reconstructions",
    "interpolate": "steps between pairs",
    "traverse": "steps along axes",
}


def inputs(key: str, text: str, would_fit: str = "Name images, a folder of them, or an .npz.") -> tuple[Path, ...]:
    """Return the comma-separated files and folders in `text`.

    Raises:
        UserError: one of them does not exist.
    """
    paths = tuple(Path(part.strip()) for part in text.split(",") if part.strip())
    for path in paths:
        if not path.exists():
            beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
            hint = did_you_mean(str(path.parent / name) for name in nearest(path.name, beside))
            raise UserError(f"{key}={path}: there is no such file or folder.{hint or f' {would_fit}'}")
    return paths


def read(key: str, paths: tuple[Path, ...], shape: tuple[int, ...], most: int) -> "Tensor":
    """Read at most `most` samples from files as model input: (n, *shape), images in [-1, 1].

    Images are converted to the model's size and channels as in training. An .npz holds one array `samples`, in the
    format that this command writes.

    Raises:
        UserError: a file is neither, cannot be read, or holds samples of another shape; or there are no samples.
    """
    import torch

    found: list[Tensor] = []
    for file in chain.from_iterable(map(_files, paths)):
        found.append(_array(key, file, shape, most) if file.suffix == ".npz" else _picture(key, file, shape))
        if sum(map(len, found)) >= most:
            break
    if not found:
        raise UserError(f"{key}={','.join(map(str, paths))} holds no images (png, jpg, ...).")
    return torch.cat(found)[:most]


def _files(path: Path) -> list[Path]:
    from datamodules.folder import SUFFIXES

    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())


def _picture(key: str, path: Path, shape: tuple[int, ...]) -> "Tensor":
    from datamodules.pixels import normalise, opened, square

    if len(shape) != 3:
        raise UserError(f"{key}={path}: this run's samples are points; name an .npz with an array `samples`.")
    try:
        with opened(path) as picture:
            return normalise(square(picture, size=shape[1], channels=shape[0])[None])
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{key}={path} is not an image that can be read ({error}).") from error


def _array(key: str, path: Path, shape: tuple[int, ...], most: int) -> "Tensor":
    """Read the first samples of an .npz, at most `most`."""
    import numpy as np
    import torch

    from datamodules.pixels import normalise

    wanted = f"this run's samples are of shape {shape}"
    found = array(key, path, "samples", fits=lambda of_array: of_array == shape, wanted=wanted, most=most)
    if found.dtype == np.uint8:
        return normalise(torch.from_numpy(found.copy()))
    return torch.from_numpy(finite(key, path, "samples", found))


def array(
    key: str, path: Path, name: str, *, fits: Callable[[tuple[int, ...]], bool], wanted: str, most: int | None = None
) -> "Array":
    """Read the first rows of an array in an .npz, at most `most`; no further rows are read or allocated.

    Args:
        fits: predicate on the shape of a row.
        wanted: description of a fitting array, for a message.
        most: number of rows; None: all, up to MOST_BYTES.

    Raises:
        UserError: no such array, or an array that does not fit.
    """
    import numpy as np

    from datamodules.image_sets.npz import npy_header

    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            (n, *rest), columns, dtype = npy_header(file)
            shape = tuple(rest)
            suits = fits(shape) and dtype.kind in "uf" and dtype.itemsize <= 8
            whole = columns or most is None  # in Fortran order the first rows are spread over the whole file
            rows = n if whole else min(n, most or 0)
            size = rows * prod(shape) * dtype.itemsize
            if whole and size > MOST_BYTES:
                raise ValueError(f"it is {'in Fortran order and ' if columns else ''}larger than {MOST_BYTES:,} bytes")
            content = file.read(size) if suits else b""
    except (*UNREADABLE, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{key}={path} holds no array `{name}` ({error}).") from error
    if not suits:
        raise UserError(f"{key}={path}: `{name}` is {dtype} of shape {(n, *shape)}, and {wanted}.")
    if len(content) < size:
        raise UserError(f"{key}={path} is cut short: `{name}` says {n:,} {name} and has fewer.")
    return np.frombuffer(content, dtype).reshape((rows, *shape), order="F" if columns else "C")[:most]


def finite(key: str, path: Path, name: str, array: "Array") -> "Array":
    """Convert an array to float32.

    Raises:
        UserError: it holds NaN or infinite numbers.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        x = array.astype(np.float32)
    if not np.isfinite(x).all():
        raise UserError(f"{key}={path}: `{name}` holds NaN or infinite numbers, from which nothing can be inferred.")
    return x


def check_finite(*made: "Tensor") -> None:
    """Refuse samples or codes with NaN or infinite numbers, which would look like black pixels in a picture.

    Raises:
        UserError: there are some.
    """
    if not all(bool(part.isfinite().all()) for part in made):
        raise UserError(
            "The model made numbers that are NaN or infinite, so nothing was written: its weights or its inputs are "
            "damaged. Take another checkpoint, run or input."
        )


def need(task: str, model: Any, run: Path) -> None:
    """Refuse a task that the model does not support.

    Raises:
        UserError: the model does not; the message lists variants that do.
    """
    from lightning_gans.core.protocols import Encodes, Reconstructs

    if not isinstance(model, {"encode": Encodes}.get(task, Reconstructs)):
        also = " or infogan" if task == "encode" else ""
        raise UserError(
            f"{task}=: the {type(model).__name__} of run={run} cannot do that. Name a run of variant=autoencoder, vae, "
            f"vaegan, bigan, ali{also}."
        )


class Made(NamedTuple):
    """Results of a task. samples: (n, *shape). cells: cells of a picture, row by row, with `columns` in each row."""

    samples: "Tensor"
    cells: "Tensor"
    columns: int


def make(task: str, model: Any, x: "Tensor | None", *, steps: int, seed: int, start: int) -> Made:
    """Reconstruct samples x, interpolate between pairs of them, or traverse the code of sample `start` of `seed`.

    Raises:
        UserError: an interpolation is given a single sample.
    """
    if task == "traverse":
        rows = model.traverse(steps, seed=seed, start=start)
    else:
        assert x is not None
        if task == "reconstruct":
            samples = model.reconstruct(x)
            return Made(samples, *_pairs(x, samples))
        if len(x) < 2:
            raise UserError("interpolate= of one sample: two make a path.")
        rows = model.between(x[: len(x) // 2 * 2 : 2], x[1::2], steps)
    return Made(rows.flatten(0, 1), rows.flatten(0, 1), steps)


def _pairs(x: "Tensor", again: "Tensor") -> tuple["Tensor", int]:
    """Interleave rows of samples and reconstructions, (n, ...) each; return them and the number of columns."""
    import torch

    columns = min(COLUMNS, len(x))
    white = x.new_ones(-len(x) % columns, *x.shape[1:])
    rows = [torch.cat([part, white]).unflatten(0, (-1, columns)) for part in (x, again.to(x))]
    return torch.stack(rows, dim=1).flatten(0, 2), columns


def draw(task: str, made: Made, path: Path) -> None:
    """Write the picture.

    Raises:
        UserError: the samples are points.
    """
    from lightning_gans.reporting.images import image_grid, save_png

    check_finite(made.samples)
    if made.cells.dim() != 4:
        raise UserError(f"{task}= of points makes no picture: say npz=points.npz for the numbers.")
    save_png(image_grid(made.cells, made.columns), path)


def save_codes(path: Path, model: Any, x: "Tensor") -> tuple[int, ...]:
    """Write codes (n, d), features (n, f) and, if the model has one, category (n,); return the codes' shape."""
    import io

    import numpy as np

    from lightning_gans.core.files import write_atomically
    from lightning_gans.core.protocols import Categorises

    codes, features = model.encode(x), model.features(x)
    check_finite(codes, features)
    arrays = {"codes": codes.cpu().numpy(), "features": features.cpu().numpy()}
    if isinstance(model, Categorises):
        arrays["category"] = model.category(x).cpu().numpy()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())
    return tuple(arrays["codes"].shape)
