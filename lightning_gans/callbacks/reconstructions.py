"""What an encoder and a generator make of real samples, and what the numbers of a code do, as pictures."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.callbacks.media import image_grid, log_picture, save_png
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import due
from lightning_gans.core.protocols import Reconstructs, Traverses

MOST_AXES = 16  # rows of a traversal


class Reconstructions(pl.Callback):
    """Draws what the evaluated model makes of held-out images, into run_dir/samples.

    Every `every` iterations and at the end, reconstructions-00002000.png: rows of images, and below each its
    reconstruction. At the end between.png, from one real image (left) to another (right) along the line between their
    codes, and traversal.png, where along row i only number i of the code moves. What a model cannot do is not drawn,
    and points are not.

    Args:
        every: iterations.
        rows, columns: of the pictures.
        seed: of the traversal's code.
    """

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        for name, value in (("every", every), ("rows", rows), ("columns", columns)):
            if value < 1:
                raise UserError(f"callbacks.grids.{name}={value}: must be at least 1.")
        self.every, self.rows, self.columns, self.seed = every, rows, columns, seed
        self._real: Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Forget pictures that a resumed run is going to draw again."""
        if trainer.is_global_zero:
            for path in _folder(trainer).glob("reconstructions-*.png"):
                number = path.stem.rpartition("-")[2]
                if number.isdigit() and int(number) > pl_module.iteration:
                    path.unlink(missing_ok=True)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        game = pl_module
        if not due(game, self.every) or not isinstance(game.model, Reconstructs | Traverses):
            return
        model = game.evaluated_model()  # on every rank, so that they stay alike
        if not trainer.is_global_zero:
            return
        if isinstance(model, Reconstructs) and (real := self._real_images(trainer)) is not None:
            x = torch.cat([real, real[:1].expand(-len(real) % self.columns, *real.shape[1:])])
            pairs = torch.stack(
                [rows for part in x.split(self.columns) for rows in (part, model.reconstruct(part).cpu())]
            )
            self._save(
                trainer, pairs.flatten(0, 1), self.columns, f"reconstructions-{game.iteration:08d}", game.iteration
            )
            if game.iteration == game.iterations:
                n = min(self.rows, len(real) // 2)
                paths = model.between(real[:n], real[n : 2 * n], self.columns)
                self._save(trainer, paths.flatten(0, 1), self.columns, "between", game.iteration)
        if isinstance(model, Traverses) and game.iteration == game.iterations:
            rows = model.traverse(self.columns, seed=self.seed)[:MOST_AXES]
            if rows.dim() == 5:
                self._save(trainer, rows.flatten(0, 1), self.columns, "traversal", game.iteration)

    def _save(self, trainer: pl.Trainer, images: Tensor, columns: int, name: str, iteration: int) -> None:
        path = save_png(image_grid(images, columns), _folder(trainer) / f"{name}.png")
        log_picture(trainer, f"samples/{name.partition('-')[0]}", path, iteration)

    def _real_images(self, trainer: pl.Trainer) -> Tensor | None:
        """Held-out images for half of the rows, always the same ones; None where the data give no images."""
        data: Any = getattr(trainer, "datamodule", None)
        if self._real is None and len(getattr(data, "sample_shape", ())) == 3:
            n = max(1, self.rows // 2) * self.columns
            self._real = torch.cat([batch.x for batch in data.split("validation").at_most(n).batches(n)])
        return self._real


def _folder(trainer: pl.Trainer) -> Path:
    return Path(trainer.default_root_dir) / "samples"
