"""TensorBoard, written to run_dir/tensorboard."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger as LightningTensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from lightning_gans.core.errors import UserError


class TensorBoardLogger(LightningTensorBoardLogger):
    """Lightning's logger, in the run's directory, with pictures. View with `tensorboard --logdir runs`.

    Args:
        run_dir: directory of the run.

    Raises:
        UserError: tensorboard is not installed.
    """

    def __init__(self, *, run_dir: str | os.PathLike[str]) -> None:
        if find_spec("tensorboard") is None:
            raise UserError(
                "logger=tensorboard needs the package tensorboard, which is not installed. Install it with "
                "`pip install tensorboard`, or choose logger=wandb or logger=none; losses.csv and metrics.csv are "
                "written in any case."
            )
        super().__init__(save_dir=str(run_dir), name="", version="tensorboard", default_hp_metric=False)
        self._facts: dict[str, Any] = {}

    @rank_zero_only
    def log_picture(self, name: str, path: str | os.PathLike[str], iteration: int) -> None:
        """Log an image or a GIF by the file's own bytes, so that an animation is preserved."""
        from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

        data = Path(path).read_bytes()
        with Image.open(path) as picture:
            width, height, channels = *picture.size, len(picture.getbands())
        image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=data)
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        self.experiment.file_writer.add_summary(summary, iteration)

    @rank_zero_only
    def log_summary(self, facts: Mapping[str, Any]) -> None:
        """Store facts about the run as a whole: its status, the best value of each metric."""
        self._facts |= facts

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the stored facts as a table under Text, and close the file."""
        if self._facts:
            rows = [f"| {name} | {value} |" for name, value in self._facts.items()]
            self.experiment.add_text("summary", "\n".join(["| fact | value |", "|---|---|", *rows]))
            self._facts = {}
        super().finalize(status)
