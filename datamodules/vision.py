"""Image sets of torchvision, read from any of their usual file layouts."""

import hashlib
import io
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from datamodules import cache, checks, pixels
from datamodules.base import SplitName
from datamodules.download import fetch, refuse
from datamodules.folder import Files
from datamodules.images import ImageData, InMemory
from datamodules.order import held_out
from datamodules.sources import Pictures, Source, Tensors
from datamodules.vision_files import locate, reading
from datamodules.vision_table import SETS
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.settings import Channels, Count, MNISTImageSize, Natural

CELEBA_ENDS: dict[SplitName, int] = {
    "train": 162_770,
    "validation": 182_637,
    "test": 202_599,
}  # last file number of each


class Vision(ImageData):
    """Image set of torchvision: MNIST and its kin, USPS, SVHN, CIFAR, STL-10 (labelled), CelebA or LSUN.

    Test is the official test set (LSUN: its validation set). Validation is a fixed random part of the official training
    set (CelebA: the official one). Images of another native size are cropped to their centre square and resized by
    antialiased bicubic.

    Args:
        name: key of `datamodules.vision_table.SETS`: mnist, svhn, cifar10, celeba, ...
        root: directory of the files: in torchvision's layout, in a directory named as the set, or directly. Compressed
            files are read as they are, so it may be read-only.
        download: download with torchvision of files that are missing.
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels; MNIST and its kin also have 28, as they are, which only perceptrons
            take.
        channels: 1 (grey) or 3 (RGB); converted where the set has the other.
        horizontal_flip: random mirroring of half of the training images, in every iteration.
        dequantize: noise U[0, 1/128) on every number of the training images, in every iteration.
        in_memory: decoded images held in one tensor (CelebA and LSUN); "auto": if that takes no more than 1 GiB.
        workers: processes that decode files if the pixels are not held in memory (CelebA and LSUN).
        holdout: validation images; 0 leaves validation empty, so that all official training images train; None: the
            set's usual number, 5,000 for CIFAR-10 and MNIST.

    Raises:
        UserError: no files, and no download; files that cannot be read.
    """

    name: str

    def __init__(
        self,
        *,
        name: str,
        root: str | Path,
        download: bool = True,
        batch_size: Count = 64,
        image_size: MNISTImageSize = 32,
        channels: Channels = 3,
        horizontal_flip: bool = False,
        dequantize: bool = False,
        in_memory: InMemory = "auto",
        workers: Natural = 2,
        holdout: Natural | None = None,
    ) -> None:
        self.name = checks.one_of("name", name, tuple(SETS))
        self._set = SETS[name]
        if self._set.size:
            self.native_sizes = (self._set.size,)
        super().__init__(
            batch_size=batch_size,
            image_size=image_size,
            channels=channels,
            horizontal_flip=horizontal_flip,
            dequantize=dequantize,
            in_memory=in_memory,
            workers=workers,
            holdout=holdout,
        )
        self.root = checks.folder("root", root)
        self.download = checks.boolean("download", download)
        self._choice = name.partition("_")[0] if name.startswith("lsun_") else name  # the choice of data=

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self._set.classes

    @property
    def fingerprint(self) -> str:
        split = f"validation {self._set.validation}"
        return self.digest(self._content[1], name=self.name, split=split, **self.own_holdout)

    def read(self) -> Mapping[str, Source]:
        return self._content[0]

    @cached_property
    def files(self) -> dict[str, Path]:
        """Return the set's files by role, downloading them if needed."""
        found = locate(self.root, self._set.aliases, self._set.layouts)
        if found is None and not self.download:
            raise refuse(self._choice, self._set, self.root)
        if found is None:
            fetch(self._choice, self._set, self.root)
            found = locate(self.root, self._set.aliases, self._set.layouts)
        if found is None:
            raise refuse(self._choice, self._set, self.root)
        return found

    @cached_property
    def _content(self) -> tuple[Mapping[str, Source], str]:
        """Return the splits, and a digest of their files."""
        if self._set.read is not None:
            return self._arrays()
        return self._celeba() if self.name == "celeba" else self._lsun()

    def _arrays(self) -> tuple[Mapping[str, Source], str]:
        def prepare() -> cache.Kept:
            content = hashlib.sha256()
            tensors = {}
            for split, data in reading(self.name, self.files, self._set.read).items():
                assert data.labels is not None
                content.update(data.x.numpy().data)
                content.update(data.labels.numpy().data)
                tensors[f"{split}.x"] = pixels.fit(data.x, size=self.image_size, channels=self.channels)
                tensors[f"{split}.y"] = data.labels
            return tensors, {"content": content.hexdigest()}

        tensors, text = cache.kept(self.digest(self.name, _stats(*self.files.values())), prepare)
        train = Tensors(tensors["train.x"], tensors["train.y"])
        count = self.held(min(self._set.validation, len(train) // 5), len(train))
        rest, validation = held_out(len(tensors["train.y"]), count, "split", self.name)
        test = Tensors(tensors["test.x"], tensors["test.y"])
        return {"train": train.take(rest), "validation": train.take(validation), "test": test}, text["content"]

    def _celeba(self) -> tuple[Mapping[str, Source], str]:
        folder = self.files["images"]
        if (folder / folder.name).is_dir():  # some archives nest the folder
            folder = folder / folder.name
        paths = sorted(
            path.name for path in folder.iterdir() if path.suffix in (".jpg", ".png") and path.stem.isdigit()
        )
        pictures: dict[str, Pictures] = {}
        start = 0
        for name, end in CELEBA_ENDS.items():
            chosen = [path for path in paths if start < int(Path(path).stem) <= end]
            if name == "validation" and self.holdout is not None:
                chosen = chosen[: self.holdout]
            pictures[name] = Files(folder, chosen, None, size=self.image_size, channels=self.channels)
            start = end
        content = _stats(*(folder / path for path in paths))
        return self._held(pictures, content), content

    def _lsun(self) -> tuple[Mapping[str, Source], str]:
        content = _stats(*(path / "data.mdb" for path in self.files.values()))
        keys = {split: _keys(self.name, path) for split, path in self.files.items()}
        count = len(keys["train"])
        shuffled = torch.randperm(count, generator=stream("split", self.name))
        size = self.held(min(self._set.validation, count // 5), count)
        chosen: dict[SplitName, Tensor] = {
            "train": keys["train"][shuffled[size:].sort().values],
            "validation": keys["train"][shuffled[:size].sort().values],
            "test": keys["test"],
        }
        pictures: dict[str, Pictures] = {
            name: Lmdb(
                self.files["test" if name == "test" else "train"], rows, size=self.image_size, channels=self.channels
            )
            for name, rows in chosen.items()
        }
        return self._held(pictures, content), content

    def _held(self, pictures: Mapping[str, Pictures], content: str) -> dict[str, Source]:
        if not all(len(files) for name, files in pictures.items() if name != "validation" or self.holdout != 0):
            counts = ", ".join(f"{name}: {len(files):,}" for name, files in pictures.items())
            raise UserError(
                f"data={self._choice} in {self.root} is not whole ({counts} images). Say data_dir=DIR with another "
                "copy, or data=folder data.root=DIR to train on just what is there."
            )
        key = self.digest(self.name, content, str(sorted(map(str, self.files.values()))), **self.own_holdout)
        return self.hold(pictures, key)


class Lmdb(Pictures):
    """Pictures in an LMDB database. keys: uint8 (N, longest key), zero-padded."""

    def __init__(self, path: Path, keys: Tensor, *, size: int, channels: int) -> None:
        super().__init__(None, size=size, channels=channels)
        self.path, self.keys = path, keys
        self._open: Any = None

    def __len__(self) -> int:
        return len(self.keys)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}  # each process opens its own handle

    def name(self, index: int) -> str:
        return f"{self.path.name}/{bytes(self.keys[index].tolist()).rstrip(bytes(1)).decode(errors='replace')}"

    def open(self, index: int) -> Image.Image:
        if self._open is None:
            self._open = _lmdb("lsun").open(str(self.path), readonly=True, lock=False, readahead=False)
        with self._open.begin() as transaction:
            content = transaction.get(bytes(self.keys[index].tolist()).rstrip(bytes(1)))
        return pixels.opened(io.BytesIO(content))


def _keys(data: str, path: Path) -> Tensor:
    """Return all keys of a database, uint8 (N, longest); cached, because millions of keys are slow to list."""

    def prepare() -> cache.Kept:
        with _lmdb(data).open(str(path), readonly=True, lock=False) as environment, environment.begin() as transaction:
            keys = list(transaction.cursor().iternext(keys=True, values=False))
        width = max(map(len, keys), default=1)
        joined = bytearray(b"".join(key.ljust(width, b"\0") for key in keys))
        return {"keys": torch.frombuffer(joined, dtype=torch.uint8).view(-1, width)}, {}

    name = hashlib.sha256(f"keys {path.absolute()} {_stats(path / 'data.mdb')}".encode()).hexdigest()
    return cache.kept(name, prepare)[0]["keys"]


def _lmdb(data: str) -> Any:
    try:
        import lmdb  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise UserError(f"data={data} needs a package that is not here: pip install lmdb.") from error
    return lmdb


def _stats(*paths: Path) -> str:
    """Return a digest of files' names, sizes and times."""
    listed = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(paths)]
    return hashlib.sha256(str(listed).encode()).hexdigest()
