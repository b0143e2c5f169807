"""Checkpoint files: written whole, sealed with a digest of all their bytes, and verified before they are read.

torch is imported only to save and to load, so the integrity of a file can be checked without it.
"""

import hashlib
import pickle
import shutil
import zipfile
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import IO, Any

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import atomic

# torch.save writes a zip archive, whose checksums cover its entries but not its directory. The seal is the archive's
# comment, which torch and zipfile ignore: the digest of all bytes before it.
SEAL = b"sha256:"
_DIGEST = 64  # characters
_COMMENT = len(SEAL) + _DIGEST
_END = 22  # bytes of a zip archive's last record
_LENGTH = 2  # bytes of a zip archive's last field, the length of its comment: 0 as torch writes it
_CHUNK = 2**20


class DamagedCheckpoint(UserError):
    """Checkpoint that is truncated, changed, unreadable, or no checkpoint at all.

    Attributes:
        why: the reason alone.
    """

    def __init__(self, path: str | PathLike[str], why: str, advice: str = "") -> None:
        super().__init__(f"{path} is damaged or no checkpoint: {why}.{advice and ' '}{advice}")
        self.why = why


def save(checkpoint: Mapping[str, Any], path: str | PathLike[str]) -> None:
    """Write a checkpoint and its seal; `path` keeps its old content until the new one is on the disk.

    Raises:
        UserError: no space or no permission.
    """
    import torch

    with atomic(path) as temporary, temporary.open("wb") as file:
        sink = _Sink(file)
        try:
            torch.save(dict(checkpoint), sink)  # type: ignore[arg-type]  # it needs only write and flush
        except RuntimeError as error:
            raise sink.error or error from error
        file.seek(-_LENGTH, 2)
        file.write(_COMMENT.to_bytes(_LENGTH, "little") + SEAL + sink.digest.hexdigest().encode())


def copy(source: Path, target: Path) -> None:
    """Copy a checkpoint to a separate file, which is on the disk before it replaces an older `target`.

    Raises:
        UserError: no space or no permission.
    """
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def verify(path: str | PathLike[str]) -> None:
    """Read a whole checkpoint and verify its seal, or the archive's own checksums if it has none.

    Raises:
        DamagedCheckpoint: it cannot be read, or its content has changed.
    """
    try:
        with open(path, "rb") as file:
            _verify(path, file)
    except OSError as error:
        raise DamagedCheckpoint(path, _reason(error)) from error


def load(path: str | PathLike[str], *, map_location: Any = "cpu") -> dict[str, Any]:
    """Load a checkpoint after verifying it, without unpickling objects.

    Raises:
        DamagedCheckpoint: it cannot be read, or holds something other than a module's state.
    """
    import torch

    try:
        with open(path, "rb") as file:  # opened once: a running process may replace it
            _verify(path, file)
            file.seek(0)
            checkpoint = torch.load(file, map_location=map_location, weights_only=True)
    except DamagedCheckpoint:
        raise
    except pickle.UnpicklingError as error:
        raise DamagedCheckpoint(path, "it holds more than tensors and plain values, or is cut short") from error
    except Exception as error:  # torch raises many types on foreign bytes
        raise DamagedCheckpoint(path, _reason(error)) from error
    if not isinstance(checkpoint, dict) or not isinstance(checkpoint.get("state_dict"), Mapping):
        raise DamagedCheckpoint(path, "it has no state_dict")
    return checkpoint


def iteration_of(path: str | PathLike[str]) -> int:
    """Read the iteration count of an intact checkpoint, without its tensors.

    Raises:
        DamagedCheckpoint: the count is missing.
    """
    import torch

    try:
        return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["game"]["iteration"])
    except Exception as error:
        raise DamagedCheckpoint(path, _reason(error)) from error


def newest_intact(paths: Iterable[Path]) -> tuple[Path | None, list[DamagedCheckpoint]]:
    """Return the first intact one of `paths`, or None, and the errors of those before it."""
    damaged = []
    for path in paths:
        try:
            verify(path)
        except DamagedCheckpoint as error:
            damaged.append(error)
        else:
            return path, damaged
    return None, damaged


class _Sink:
    """File object for torch.save: hashes what is written and keeps the OSError of a failed write, which torch hides."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest = file, hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            self.file.write(data)
        except OSError as error:
            self.error = error
            raise
        self.digest.update(data)
        return len(data)

    def flush(self) -> None:
        self.file.flush()


def _verify(path: str | PathLike[str], file: IO[bytes]) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("it is compressed, and torch compresses nothing")
            if archive.comment:
                intact = archive.comment == _seal(file)
            else:
                intact = _ends(file) and _checks(archive)
    except Exception as error:  # a damaged archive can raise nearly anything
        raise DamagedCheckpoint(path, _reason(error)) from error
    if not intact:
        raise DamagedCheckpoint(path, "its checksum does not match its content")


def _ends(file: IO[bytes]) -> bool:
    """Return True if an archive ends without a comment, as torch writes it: its end is neither cut off nor zeroed."""
    file.seek(-_END, 2)
    end = file.read()
    return end.startswith(zipfile.stringEndArchive) and end.endswith(bytes(_LENGTH))  # type: ignore[attr-defined]


def _checks(archive: zipfile.ZipFile) -> bool:
    """Verify the checksum of every entry of an archive without a seal."""
    return archive.testzip() is None


def _seal(file: IO[bytes]) -> bytes:
    """Return the seal that a file should have: the digest of its bytes before it; empty if its length is wrong."""
    end = file.seek(0, 2) - _COMMENT - _LENGTH
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(min(_CHUNK, end - file.tell())):
        digest.update(chunk)
    if file.read(_LENGTH) != _COMMENT.to_bytes(_LENGTH, "little"):
        return b""
    digest.update(bytes(_LENGTH))
    return SEAL + digest.hexdigest().encode()


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, zipfile.BadZipFile):
        return "it is cut short, or not a file of torch.save"
    return " ".join((str(error) or type(error).__name__).split(". ")[0].split())
