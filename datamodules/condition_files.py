"""Files of condition vectors: CSV, CelebA's lists of attributes, npz.

Imports neither torch nor, before a file is read, numpy.
"""

from __future__ import annotations

import csv
import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, Self

from lightning_gans.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUFFIXES = (".csv", ".txt", ".npz")


class ConditionFile(NamedTuple):
    """Condition vectors of image files.

    path: path of the file.
    files: (N,) image files, as written in the file.
    names: names of the d numbers.
    vectors: (N, d) float32.
    digest: sha256 (hex) of the file's content.
    """

    path: Path
    files: tuple[str, ...]
    names: tuple[str, ...]
    vectors: NDArray[np.float32]
    digest: str

    @classmethod
    def read(cls, path: str | Path, *, key: str = "data.conditions") -> Self:
        """Read a whole file.

        key: the setting that contains the path, for messages.

        Raises:
            UserError: no such file, another format, a non-finite number, or a duplicate image file.
        """
        import numpy as np

        path = _checked(path, key)
        try:
            names, files, vectors = _npz(path) if path.suffix.lower() == ".npz" else _text(path)
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise UserError(f"{key}={path} cannot be read: {error}. {_forms(key)}") from error
        if not len(files) or not np.isfinite(vectors).all():
            wrong = "a number that is not finite" if len(files) else "no condition vector"
            raise UserError(f"{key}={path} holds {wrong}. {_forms(key)}")
        if len(twice := [name for name, count in Counter(files).items() if count > 1]):
            raise UserError(f"{key}={path} names {twice[0]} twice. An image has one condition vector.")
        return cls(path, tuple(files), names, vectors, hashlib.sha256(path.read_bytes()).hexdigest())

    def rows_of(self, paths: Sequence[str]) -> list[int | None]:
        """Return the row of each image file (a path below the data's folder, with forward slashes), or None."""
        rows = {str(PurePosixPath(name)): row for row, name in enumerate(self.files)}
        shared = Counter(PurePosixPath(path).name for path in paths)
        found = []
        for path in paths:
            name = PurePosixPath(path).name
            found.append(rows.get(path, rows.get(name) if shared[name] == 1 else None))
        return found


def condition_names(path: str | Path) -> tuple[str, ...]:
    """Return the names of the numbers in a file of condition vectors, without reading all of it.

    Raises:
        UserError: no such file, or another format.
    """
    key = "data.conditions"
    path = _checked(path, key)
    try:
        if path.suffix.lower() == ".npz":
            return _npz(path)[0]
        with path.open(newline="") as file:
            return _header(file, path)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise UserError(f"{key}={path} cannot be read: {error}. {_forms(key)}") from error


def _checked(path: str | Path, key: str) -> Path:
    path = Path(path).expanduser()
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        wrong = f"is of none of the forms {', '.join(SUFFIXES)}" if path.is_file() else "is no file"
        raise UserError(f"{key}={path} {wrong}. {_forms(key)}")
    return path


def _forms(key: str) -> str:
    return (
        f"Say {key}=FILE with a CSV file (a header; the image file first in each row, then its numbers), a "
        "list as CelebA's list_attr_celeba.txt, or an npz file with arrays files (N,) and conditions (N, d)."
    )


def _npz(path: Path) -> tuple[tuple[str, ...], list[str], NDArray[np.float32]]:
    import numpy as np

    with np.load(path, allow_pickle=False) as content:
        files, vectors = content["files"], content["conditions"]
        names = content["names"] if "names" in content.files else None
    if (
        vectors.ndim != 2
        or files.shape != vectors.shape[:1]
        or not vectors.shape[1]
        or vectors.dtype.kind not in "fiub"
    ):
        raise ValueError(f"files is of shape {files.shape} and conditions of {vectors.shape}")
    if files.dtype.kind != "U" or (names is not None and (names.dtype.kind != "U" or len(names) != vectors.shape[1])):
        raise ValueError("files and names are arrays of text, and names has one for each number of a condition")
    told = tuple(names.tolist()) if names is not None else tuple(f"c{i}" for i in range(vectors.shape[1]))
    return told, files.tolist(), vectors.astype(np.float32)


def _text(path: Path) -> tuple[tuple[str, ...], list[str], NDArray[np.float32]]:
    import numpy as np

    files, rows = [], []
    with path.open(newline="") as file:
        names = _header(file, path)
        for number, (name, *numbers) in enumerate(_rows(file, path), 1):
            if len(numbers) != len(names):
                raise ValueError(f"row {number}, {name}, has {len(numbers)} numbers, and the header names {len(names)}")
            files.append(name)
            rows.append([float(number) for number in numbers])
    return names, files, np.asarray(rows, dtype=np.float32).reshape(len(files), len(names))


def _header(file: Iterator[str], path: Path) -> tuple[str, ...]:
    """Read the names of the numbers; CelebA's lists start with the number of rows and have no title for files."""
    first = next(file, "")
    if path.suffix.lower() == ".txt":
        names = next(file, "").split()
    else:
        names = next(csv.reader([first]), [])[1:]
    if not names or len(set(names)) < len(names):
        raise ValueError("its header names no number, or one twice")
    return tuple(name.strip() for name in names)


def _rows(file: Iterator[str], path: Path) -> Iterator[list[str]]:
    rows = (line.split() for line in file) if path.suffix.lower() == ".txt" else csv.reader(file)
    return (row for row in rows if row)
