"""Files of the well-known image sets: search and readers."""

import bz2
import codecs
import gzip
import io
import pickle
import re
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.sources import Tensors
from lightning_gans.core.errors import UserError

Files = Mapping[str, Path]  # by role
Layout = Mapping[str, Sequence[str]]  # role -> possible file names
Arrays = dict[str, Tensors]  # "train" and "test": uint8 (N, C, H, W) and int64 labels, at native size

MOST_BYTES = 2**29  # limit of an unpacked file: CIFAR has 186 MB, EMNIST 88 MB

GREY_SETS = ("mnist", "fashionmnist", "kmnist", "emnist")  # sets with the same file names


def plain(name: str) -> str:
    """Return the letters and digits of a folder's name, in lower case."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def places(root: Path, aliases: Sequence[str]) -> list[Path]:
    """Return the folders to search: those with the set's name (or raw), up to two deep; deepest first, root last."""
    wanted = {plain(alias) for alias in aliases} | {"raw"}
    levels = [[root]]
    for _ in range(2):
        children = [child for parent in levels[-1] if parent.is_dir() for child in sorted(parent.iterdir())]
        levels.append([child for child in children if plain(child.name) in wanted and child.is_dir()])
    foreign = set(GREY_SETS) - wanted if wanted & set(GREY_SETS) else set()  # files of other sets have distinct names
    found = [folder for level in reversed(levels) for folder in level]
    return [folder for folder in found if not foreign & {plain(part) for part in folder.absolute().parts[-2:]}]


def locate(root: Path, aliases: Sequence[str], layouts: Sequence[Layout]) -> dict[str, Path] | None:
    """Return the files of the first layout that is complete in one folder, by role; None if there is none."""
    for folder in places(root, aliases):
        for layout in layouts:
            found = {role: path for role, names in layout.items() if (path := _first(folder, names))}
            if len(found) == len(layout):
                return found
    return None


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def idx_layout(prefix: str = "", *, train: str = "train", test: str = "t10k") -> Layout:
    """Return the layout of MNIST and similar sets: four files, as downloaded (.gz) or unpacked."""
    layout = {}
    for split, name in (("train", train), ("test", test)):
        for role, ending in (("images", "images-idx3-ubyte"), ("labels", "labels-idx1-ubyte")):
            stem = f"{prefix}{name}-{ending}"
            dotted = stem.replace("-idx", ".idx")
            layout[f"{split} {role}"] = (stem, dotted, f"{stem}.gz", f"{dotted}.gz")
    return layout


def read_idx(files: Files) -> Arrays:
    """Read MNIST's format."""
    return {
        split: Tensors(
            torch.from_numpy(_idx(files[f"{split} images"]))[:, None],
            torch.from_numpy(_idx(files[f"{split} labels"])).long(),
        )
        for split in ("train", "test")
    }


def read_transposed_idx(files: Files) -> Arrays:
    """Read EMNIST: MNIST's format with rows and columns swapped."""
    return {split: Tensors(data.x.transpose(2, 3).contiguous(), data.labels) for split, data in read_idx(files).items()}


def _idx(path: Path) -> np.ndarray[Any, Any]:
    content = _unpacked(gzip.GzipFile(path)) if path.suffix == ".gz" else path.read_bytes()
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{path.name} is not an idx file of bytes")
    dimensions = content[3]
    shape = np.frombuffer(content, ">i4", dimensions, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()


def _unpacked(file: gzip.GzipFile | bz2.BZ2File) -> bytes:
    """Return the content of a compressed file; raise a ValueError if it is larger than that of any of these sets."""
    with file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_BYTES:,} bytes")
    return content


def read_usps(files: Files) -> Arrays:
    """Read libsvm text: label 1 .. 10, then 256 index:value pairs in [-1, 1]; converted to bytes as in torchvision."""
    arrays = {}
    for split in ("train", "test"):
        text = re.sub(rb"\d+:", b"", _unpacked(bz2.BZ2File(files[split]))).decode()
        values = np.array(text.split(), dtype=np.float32).reshape(-1, 257)
        images = ((values[:, 1:] + 1) / 2 * 255).astype(np.uint8).reshape(-1, 1, 16, 16)
        arrays[split] = Tensors(torch.from_numpy(images), torch.from_numpy(values[:, 0]).long() - 1)
    return arrays


def read_svhn(files: Files) -> Arrays:
    """Read MATLAB files of cropped digits: X (32, 32, 3, N), y with 10 for the digit 0."""
    from scipy.io import loadmat

    arrays = {}
    for split in ("train", "test"):
        content = loadmat(files[split])
        images = np.ascontiguousarray(content["X"].transpose(3, 2, 0, 1))
        arrays[split] = Tensors(torch.from_numpy(images), torch.from_numpy(content["y"].astype(np.int64).ravel() % 10))
    return arrays


def read_stl10(files: Files) -> Arrays:
    """Read bytes (N, 3, columns, rows) and labels 1 .. 10."""
    arrays = {}
    for split in ("train", "test"):
        images = np.fromfile(files[f"{split} images"], np.uint8).reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
        labels = np.fromfile(files[f"{split} labels"], np.uint8).astype(np.int64) - 1
        arrays[split] = Tensors(torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels))
    return arrays


def read_cifar(files: Files) -> Arrays:
    """Read the "python version" of CIFAR-10 or CIFAR-100 (fine labels), unpacked or from the archive."""
    if "archive" in files:
        content, left = {}, MOST_BYTES
        with tarfile.open(files["archive"]) as archive:
            for member in archive:
                if member.isfile() and (left := left - member.size) >= 0:
                    content[Path(member.name).name] = archive.extractfile(member).read()  # type: ignore[union-attr]
        if left < 0:
            raise ValueError(f"it unpacks to more than {MOST_BYTES:,} bytes")
    else:
        content = {path.name: path.read_bytes() for path in files.values()}
    batches = {
        name: _Unpickler(io.BytesIO(data), encoding="bytes").load()
        for name, data in sorted(content.items())
        if name.startswith(("data_batch", "test")) or name == "train"
    }
    test = next(name for name in batches if name.startswith("test"))
    parts = {"train": [batch for name, batch in batches.items() if name != test], "test": [batches[test]]}
    return {split: Tensors(*_cifar(batches)) for split, batches in parts.items()}


def _cifar(batches: Sequence[Mapping[bytes, Any]]) -> tuple[Tensor, Tensor]:
    images = np.concatenate([batch[b"data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = [label for batch in batches for label in batch.get(b"labels", batch.get(b"fine_labels"))]
    return torch.from_numpy(images), torch.tensor(labels)


class _Unpickler(pickle.Unpickler):
    """An unpickler of arrays and plain containers only, so that an untrusted file cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        if (module, name) == ("_codecs", "encode"):  # encoding of bytes by newer Pythons for older ones
            return codecs.encode
        raise pickle.UnpicklingError(f"it wants {module}.{name}, which no batch of images needs")


def reading(data: str, files: Files, read: Any) -> Arrays:
    """Return `read(files)`, with a UserError for damaged files."""
    try:
        arrays: Arrays = read(files)
        for split, content in arrays.items():
            if content.labels is None or len(content.x) != len(content.labels) or not len(content.x):
                raise ValueError(f"the {split} images and labels do not match")
        return arrays
    except Exception as error:  # a damaged archive may raise any exception
        named = ", ".join(sorted({str(path) for path in files.values()}))
        raise UserError(
            f"data={data} is here but cannot be read ({type(error).__name__}: {error}). Its files: {named}. Delete the "
            "damaged ones and run again to download them, or say data_dir=DIR with another copy."
        ) from error
