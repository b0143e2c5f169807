"""Chains: pictures of the Langevin chains of an energy-based model."""

from typing import Any

import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor

from lightning_gans.callbacks.pictures import Pictures, drawn, folder, log_picture, picture
from lightning_gans.core.data import Data
from lightning_gans.core.protocols import Descends
from lightning_gans.reporting.images import gif, image_grid
from lightning_gans.reporting.planar import energy_figure

CHAINS = 12  # drawn as paths over the surface
POINTS = 1000  # real points


@picture
class Chains(Pictures[Data | None]):
    """Draws the Langevin chains of an energy-based model into run_dir/samples.

    Images: at the end chains.png, with a row for each chain, from noise (left) to its end (right). Points on the plane:
    every `every` iterations and at the end energy-00002000.png, the energy surface with the data and the paths of a few
    chains; at the end also energy.gif, the surface over the course of training.

    Args:
        every: iterations.
        rows, columns: chains, and the times at which each is shown.
        seed: of the chains.
    """

    series = ("energy",)
    animated = True

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        super().__init__(every=every, rows=rows, columns=columns, seed=seed)
        self._real: Tensor | None = None

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, Descends)

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: Data | None) -> None:
        last = game.iteration == game.iterations
        if len(model.shape) == 3 and last:
            strip = model.evolution(self.rows, self.columns, seed=self.seed).flatten(0, 1)
            self.save(trainer, image_grid(strip, self.columns), "chains", game.iteration)
        if tuple(model.shape) == (2,):
            picture = self._surface(data, model, f"iteration {game.iteration:,}")
            self.save(trainer, picture, "energy", game.iteration)
            if last:
                path = gif(drawn(trainer, "energy"), folder(trainer) / "energy.gif")
                log_picture(trainer, "samples/energy_progress", path, game.iteration)

    def _surface(self, data: Data | None, model: Any, title: str) -> Image.Image:
        real = self._real_points(data)
        paths = model.evolution(CHAINS, self.columns * 4, seed=self.seed).cpu()
        return energy_figure(model, paths if real is None else real, paths, title=title)

    def _real_points(self, data: Data | None) -> Tensor | None:
        if self._real is None and data is not None:
            self._real = torch.cat([batch.x for batch in data.split("validation").at_most(POINTS).batches(POINTS)])
        return self._real
