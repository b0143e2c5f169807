"""A discriminator at work as its own generator, as pictures."""

from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor

from lightning_gans.callbacks.media import GENERATED, REAL, axes_of, gif, image_grid, log_picture
from lightning_gans.callbacks.pictures import Pictures, drawn, folder
from lightning_gans.core.protocols import Descends

RASTER = 120  # points of the energy surface along each side
CHAINS = 12  # drawn as paths over it
POINTS = 1000  # real ones


class Chains(Pictures):
    """Draws the chains of a model that descends its own energy, into run_dir/samples.

    Images: at the end chains.png, a row for each chain from noise (left) to its end (right). Points on the plane: every
    `every` iterations and at the end energy-00002000.png, the energy surface with the data and the paths of a few
    chains, and at the end energy.gif, the surface as it was sculpted.

    Args:
        every: iterations.
        rows, columns: chains, and the times at which each is shown.
        seed: of the chains.
    """

    series = ("energy",)

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        super().__init__(every=every, rows=rows, columns=columns, seed=seed)
        self._real: Tensor | None = None

    def applies(self, game: Any, data: Any) -> bool:
        return isinstance(game.model, Descends)

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: Any) -> None:
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

    def _surface(self, data: Any, model: Any, title: str) -> Image.Image:
        real = self._real_points(data)
        paths = model.evolution(CHAINS, self.columns * 4, seed=self.seed).cpu()
        return energy_figure(model, paths if real is None else real, paths, title=title)

    def _real_points(self, data: Any) -> Tensor | None:
        if self._real is None and hasattr(data, "split"):
            self._real = torch.cat([batch.x for batch in data.split("validation").at_most(POINTS).batches(POINTS)])
        return self._real


def energy_figure(model: Descends, real: Tensor, paths: Tensor, *, title: str = "") -> Image.Image:
    """The energy over the plane, 500 x 500 px: dark where it is low.

    Args:
        model: an energy of points (N, 2).
        real: points (N, ..., 2); the axes are chosen for these.
        paths: of chains, (R, S, 2).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    axes = axes_of(real.reshape(-1, 2))
    x, y = (torch.linspace(low, high, RASTER) for low, high in axes.tolist())
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    like = next(parameter for parameter in model.parameters())  # type: ignore[attr-defined]
    with torch.no_grad():
        energy = model.energy(points.reshape(-1, 2).to(like)).view(RASTER, RASTER).double().cpu().numpy()
    figure = Figure(figsize=(5, 5), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)
    plot = figure.add_axes((0.1, 0.07, 0.87, 0.87))
    # Basins are a hundredth of the range deep: a rank shows them, and far away walls do not hide them.
    rank = energy.ravel().argsort().argsort().reshape(energy.shape)
    extent = (*axes[0].tolist(), *axes[1].tolist())
    plot.imshow(rank, origin="lower", extent=extent, cmap="magma", interpolation="bilinear", aspect="equal")
    dots: dict[str, Any] = {"linestyle": "none", "marker": ".", "markeredgewidth": 0}
    if real.dim() == 2:
        plot.plot(*real.cpu().numpy().T, color=REAL, markersize=2, **dots)
    for path in paths.numpy():
        plot.plot(*path.T, color="white", linewidth=0.7)
    plot.plot(*paths[:, -1].numpy().T, color=GENERATED, markersize=8, **dots)
    plot.set(xlim=axes[0].tolist(), ylim=axes[1].tolist())
    plot.tick_params(labelsize=8)
    figure.text(0.535, 0.975, title, fontsize=10, horizontalalignment="center", verticalalignment="center")
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
