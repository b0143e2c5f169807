"""Digests of tensors, kept beside them on disk so that a flipped bit is noticed."""

import ctypes
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEY = "sha256"  # of a safetensors file's metadata


def digest_of(tensors: Mapping[str, Any], text: Mapping[str, str] | None = None) -> str:
    """Return the sha256 digest (hex) of named tensors, with their dtypes and shapes, and of named texts.

    It depends on the content only, not on order, strides or device.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(_bytes(tensor))
    digest.update(json.dumps(sorted((text or {}).items())).encode())
    return digest.hexdigest()


def _bytes(tensor: Any) -> Any:
    """Return the memory of a contiguous CPU tensor; works without NumPy, which torch does not require."""
    size = tensor.numel() * tensor.element_size()
    return (ctypes.c_char * size).from_address(tensor.data_ptr()) if size else b""


def matches(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None) -> bool:
    """Return True if tensors and metadata have the digest that the file holds; files without a digest are accepted."""
    text = dict(metadata or {})
    known = text.pop(KEY, None)
    return known is None or known == digest_of(tensors, text)


def sha256_of(path: Path) -> str:
    """Return the sha256 digest (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
