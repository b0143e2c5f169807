"""Atomic files, written completely or not at all, and locks."""

import contextlib
import errno
import fcntl
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lightning_gans.core.errors import UserError


def cache_folder() -> Path:
    """Return the cache folder that all runs share: LIGHTNING_GANS_CACHE, or ~/.cache/lightning-gans."""
    return Path(os.environ.get("LIGHTNING_GANS_CACHE") or "~/.cache/lightning-gans").expanduser()


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Context: a temporary path beside `path`, fsynced and renamed to `path` if the block ends without an error.

    Raises:
        UserError: no space or no permission; `path` keeps its content.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        kept = " The file that was there before is kept." if path.is_file() else ""
        raise UserError(
            f"Could not write {path}: {error.strerror or error}.{kept} Free some space or choose a folder you may "
            "write to."
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write `data` to `path`: write, fsync, rename."""
    with atomic(path) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


def overwrite(path: Path, data: bytes) -> bool:
    """Overwrite an existing file with `data`, padded with spaces to its length; return False if there is no room.

    For a full disk, where no new file can be written: the blocks of the old one are reused. Not atomic.
    """
    try:
        with path.open("rb+") as file:
            length = os.fstat(file.fileno()).st_size
            if len(data) > length:
                if not hasattr(os, "posix_fallocate"):  # macOS
                    return False
                os.posix_fallocate(file.fileno(), 0, len(data))  # fails before anything is overwritten
            file.write(data.ljust(length))
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        return False
    return True


def flush(path: Path) -> None:
    """Flush a file's appended content to the disk, if there is such a file."""
    with contextlib.suppress(OSError), path.open("rb+") as file:
        os.fsync(file.fileno())


def remove_temporaries(folder: Path) -> None:
    """Delete temporary files that killed processes left in `folder`; no process may be writing there."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            named = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}(\.[^.]+)?", path.name)
            if named and Path(named[1]).suffix == (named[2] or "") and path.is_file():
                path.unlink()


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, and flush them to the disk.

    Raises:
        OSError: it cannot be created.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


class Held(Exception):
    """Another process holds the lock; `holder` is the text that it left."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@contextlib.contextmanager
def held(path: Path, holder: str) -> Iterator[bool]:
    """Hold a lock on `path`, in an existing folder, until the block or the process ends; then the file is removed.

    A POSIX record lock: the kernel releases it however the process ends, other hosts of a network file system see it,
    and child processes do not inherit it. The process loses it if it opens and closes the file elsewhere.

    Args:
        holder: text for other processes, stored in the file.

    Yields:
        False if the file system has no locks.

    Raises:
        Held: another process holds it.
        OSError: the file cannot be created.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                works = True
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise Held(_holder(descriptor)) from error
                works = False
            if works and not _still_there(path, descriptor):
                continue  # its holder has just removed it
            with contextlib.suppress(OSError):  # a full disk: the holder's text is missing
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, holder.encode(), 0)
            try:
                yield works
            finally:
                with contextlib.suppress(OSError):
                    path.unlink()
            return
        finally:
            os.close(descriptor)


def _holder(descriptor: int) -> str:
    for _ in range(20):  # the text is written shortly after the lock is taken
        if text := os.pread(descriptor, 4096, 0).decode(errors="replace").strip():
            return text
        time.sleep(0.05)
    return ""


def _still_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an advisory lock on `path`; continue without one where the file system has none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot sync folders
            raise
    finally:
        os.close(descriptor)
