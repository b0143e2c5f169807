"""Checkpoint plugin of Lightning: atomic writes, verified reads, no unpickling."""

from collections.abc import Callable
from os import PathLike
from typing import Any

from pytorch_lightning.plugins.io import TorchCheckpointIO

from lightning_gans.core import checkpoints
from lightning_gans.core.errors import UserError

PathOrStr = str | PathLike[str]


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's reading and writing of checkpoints by `core.checkpoints`.

    Raises:
        UserError: no space or no permission; the path keeps its old checkpoint.
        DamagedCheckpoint: what is to be loaded is not intact.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: PathOrStr, storage_options: Any | None = None) -> None:
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
