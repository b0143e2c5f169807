"""Disk cache of tensors that are slow to prepare."""

import time
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lightning_gans.core.digests import KEY, digest_of, matches
from lightning_gans.core.errors import UserError
from lightning_gans.core.files import atomic, cache_folder, locked

Kept = tuple[dict[str, Tensor], dict[str, str]]  # tensors by name, and metadata

WORTH = 2.0  # seconds of preparation from which results are cached


def folder() -> Path:
    """Return the folder of cached data sets."""
    return cache_folder() / "data"


def kept(key: str, prepare: Callable[[], Kept]) -> Kept:
    """Return the data cached under `key`, or prepare and cache them.

    One process of a machine prepares the data while the others wait. A cache that cannot be written is ignored.
    """
    path = folder() / f"{key}.safetensors"
    with locked(path.with_name(f".{key[0]}.lock")):  # one lock per first digit: few files, little contention
        if path.is_file():
            try:
                return _load(path)
            except (SafetensorError, OSError, ValueError):
                pass  # damaged: prepare again and replace it
        start = time.monotonic()
        tensors, text = prepare()
        if time.monotonic() - start > WORTH:
            try:
                with atomic(path) as temporary:
                    save_file(tensors, temporary, metadata=text | {KEY: digest_of(tensors, text)})
            except (UserError, SafetensorError):
                pass
        return tensors, text


def _load(path: Path) -> Kept:
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = dict(file.metadata() or {})
    if not matches(tensors, text):
        raise ValueError(f"{path} is damaged")
    text.pop(KEY, None)
    return tensors, text
