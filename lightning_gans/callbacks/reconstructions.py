"""Reconstructions: pictures of held-out images and their reconstructions, and traversals of codes."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.callbacks.pictures import Pictures, picture
from lightning_gans.core.data import Data
from lightning_gans.core.protocols import Reconstructs, Traverses
from lightning_gans.reporting.images import image_grid

MOST_AXES = 16  # rows of a traversal


@picture
class Reconstructions(Pictures[Data | None]):
    """Draws reconstructions of held-out images and traversals of codes into run_dir/samples.

    Every `every` iterations and at the end, reconstructions-00002000.png: rows of images, each with its reconstruction
    below. At the end also between.png, from one real image (left) to another (right) along the line between their
    codes, and traversal.png, where row i varies only component i of the code. Pictures that the model does not support
    are skipped, and points are not drawn.

    Args:
        every: iterations.
        rows, columns: of the pictures.
        seed: of the traversal's code.
    """

    series = ("reconstructions",)

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        super().__init__(every=every, rows=rows, columns=columns, seed=seed)
        self._real: Tensor | None = None

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, Reconstructs | Traverses)

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: Data | None) -> None:
        if isinstance(model, Reconstructs) and (real := self._real_images(data)) is not None:
            x = torch.cat([real, real[:1].expand(-len(real) % self.columns, *real.shape[1:])])
            pairs = torch.stack(
                [rows for part in x.split(self.columns) for rows in (part, model.reconstruct(part).cpu())]
            )
            self.save(trainer, image_grid(pairs.flatten(0, 1), self.columns), "reconstructions", game.iteration)
            if game.iteration == game.iterations:
                n = min(self.rows, len(real) // 2)
                paths = model.between(real[:n], real[n : 2 * n], self.columns)
                self.save(trainer, image_grid(paths.flatten(0, 1), self.columns), "between", game.iteration)
        if isinstance(model, Traverses) and game.iteration == game.iterations:
            rows = model.traverse(self.columns, seed=self.seed)[:MOST_AXES]
            if rows.dim() == 5:
                self.save(trainer, image_grid(rows.flatten(0, 1), self.columns), "traversal", game.iteration)

    def _real_images(self, data: Data | None) -> Tensor | None:
        """Held-out images for half of the rows, the same at every call; None if the data has no images."""
        if self._real is None and data is not None and len(data.sample_shape) == 3:
            n = max(1, self.rows // 2) * self.columns
            self._real = torch.cat([batch.x for batch in data.split("validation").at_most(n).batches(n)])
        return self._real
