"""Checkpoint plugin of Lightning: atomic writes, verified reads, no unpickling."""

import io
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from lightning_gans.core import checkpoints
from lightning_gans.core.errors import UserError

PathOrStr = str | PathLike[str]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoint plugin that reads and writes with `core.checkpoints`.

    Raises:
        UserError: no space or no permission, or a callback's state could not be loaded again; the path keeps its old
            checkpoint.
        DamagedCheckpoint: the file to load is not intact.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: PathOrStr, storage_options: Any | None = None) -> None:
        _check_states(checkpoint.get("callbacks", {}))
        checkpoints.save(checkpoint, path)

    def load_checkpoint(
        self,
        path: PathOrStr,
        map_location: Callable[..., Any] | None = lambda storage, location: storage,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        checkpoint = checkpoints.load(path, map_location=map_location)
        if "game" not in checkpoint:
            raise UserError(
                f"{path} was not written by a run of this program, so no run can be continued from it. To start a new "
                f"run from its weights: init_from={path}."
            )
        return checkpoint


def _check_states(states: Mapping[str, Any]) -> None:
    """Refuse a callback state that can be saved but that `load_checkpoint` would refuse."""
    for callback, state in states.items():
        buffer = io.BytesIO()
        try:
            torch.save(state, buffer)
            buffer.seek(0)
            torch.load(buffer, weights_only=True)
        except Exception as error:
            name = callback.partition("{")[0]
            raise UserError(
                f"The state of the callback {name} holds other objects than tensors, numbers, text, lists and "
                "dictionaries, so no run could continue from this checkpoint. Its state_dict() must give plain values."
            ) from error
