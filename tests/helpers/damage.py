"""Checkpoints that are intact as far as their checksums go, and every way in which a file gets damaged."""

import random
import zipfile
from collections.abc import Callable
from pathlib import Path


def write_checkpoint(path: Path) -> None:
    """An archive such as torch.save writes, without its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", f"{path} {path} {path}".encode() * 100)


def cut(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(1, len(data) - 100)])


def flip(path: Path, chance: random.Random) -> None:
    """One bit, anywhere but in the seal at the end, which is checked for itself."""
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data) - 100)] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def zero(path: Path, chance: random.Random) -> None:
    """A block that was never written, as after a power cut."""
    data = bytearray(path.read_bytes())
    size = min(4096, len(data) // 2)
    at = chance.randrange(len(data) - size)
    data[at : at + size] = bytes(size)
    path.write_bytes(data)


def empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def remove(path: Path, chance: random.Random) -> None:
    path.unlink()


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "cut": cut,
    "flip": flip,
    "zero": zero,
    "empty": empty,
    "remove": remove,
}
