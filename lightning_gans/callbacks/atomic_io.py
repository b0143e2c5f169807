"""Checkpoints that are whole or not there, and are never unpickled."""

from collections.abc import Callable
from os import PathLike
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lightning_gans.core.files import atomic

PathOrStr = str | PathLike[str]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write beside, fsync, rename: until the new checkpoint is whole, its path holds the old one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: PathOrStr, storage_options: Any | None = None) -> None:
        with atomic(path) as temporary:
            torch.save(checkpoint, temporary)

    def load_checkpoint(
        self,
        path: PathOrStr,
        map_location: Callable[..., Any] | None = lambda storage, location: storage,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        checkpoint: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
        return checkpoint
