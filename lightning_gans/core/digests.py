"""Digests of tensors, kept beside them on disk so that a flipped bit is noticed."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEY = "sha256"  # of a safetensors file's metadata


def digest_of(tensors: Mapping[str, Any], text: Mapping[str, str] | None = None) -> str:
    """sha256 (hex) of named tensors, their dtypes and shapes included, and of text by name.

    The same for equal content, whatever the order, the strides or the device.
    """
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    digest.update(json.dumps(sorted((text or {}).items())).encode())
    return digest.hexdigest()


def matches(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None) -> bool:
    """Whether a file's tensors and metadata are those that its digest was taken of; files without one are believed."""
    text = dict(metadata or {})
    known = text.pop(KEY, None)
    return known is None or known == digest_of(tensors, text)


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
