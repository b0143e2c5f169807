"""Cache of computed tensors on disk: written atomically, checked by digest, computed by one process at a time."""

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import locked, write_atomically


class Kept(NamedTuple):
    """Cached tensors by name, with a record about them, plain JSON.

    `sha256` of the tensors' file and `digest` of the record itself are added to the record.
    """

    tensors: dict[str, Tensor]
    record: dict[str, Any]


def kept(path: Path, prepare: Callable[[], Kept]) -> Kept:
    """Return the tensors cached in `path` (.safetensors) with their record (.json), or prepare and cache them.

    A pair of files that is damaged, incomplete or inconsistent is prepared again. While one process prepares, others
    that need the same cache wait. If the folder cannot be written, there is a warning, and the next call prepares
    again.
    """
    found = _read(path)
    if found is not None:
        return found
    with locked(path.with_suffix(".lock")):
        return _read(path) or _write(path, prepare())


def digest(*parts: object) -> str:
    """sha256 (hex) of plain values, the cache key of a result computed from them."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> Kept | None:
    try:
        record = json.loads(path.with_suffix(".json").read_bytes())
        data = path.read_bytes()
        whole = {key: value for key, value in record.items() if key != "digest"}
        if record["sha256"] != hashlib.sha256(data).hexdigest() or record.get("digest", digest(whole)) != digest(whole):
            return None
        return Kept(load(data), record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SafetensorError):
        return None


def _write(path: Path, fresh: Kept) -> Kept:
    data = save({name: tensor.detach().cpu().contiguous() for name, tensor in fresh.tensors.items()})
    record = fresh.record | {"sha256": hashlib.sha256(data).hexdigest()}
    record["digest"] = digest(record)
    try:
        write_atomically(path, data)
        write_atomically(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    except UserError as error:
        warnings.warn(f"{error} Going on without; it will be computed again next time.", stacklevel=2)
    return Kept(load(data), record)
