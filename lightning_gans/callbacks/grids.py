"""What the generator makes as it learns: pictures from fixed noise, beside real ones, along paths, in motion."""

from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor

from lightning_gans.callbacks.media import (
    gif,
    image_grid,
    is_picture,
    log_picture,
    planar_figure,
    save_png,
)
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import due
from lightning_gans.core.protocols import Interpolates, Samples, SamplesByLabel

POINTS = 2000  # of a planar picture
PATH_STEPS = 64  # points of a path on the plane


class SampleGrids(pl.Callback):
    """Draws samples of the evaluated model into run_dir/samples, every `every` iterations and at the end.

    iteration-00002000.png: rows x columns samples from noise that never changes; points are drawn over real ones, on
    axes that never change. real.png: real samples in the same form, drawn with the first. At the end also
    interpolation.png (from one code to another along each row) and progress.gif (all pictures of the run, in order).
    Where images are made by class, each row is of one: the first `rows` classes, or all of them over again. A model
    that does not sample is left alone.

    Args:
        every: iterations.
        rows, columns: of the grid.
        seed: of the noise.
    """

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        for name, value in (("every", every), ("rows", rows), ("columns", columns)):
            if value < 1:
                raise UserError(f"callbacks.grids.{name}={value}: must be at least 1.")
        self.every, self.rows, self.columns, self.seed = every, rows, columns, seed
        self._shape: tuple[int, ...] | None = None
        self._real: Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Forget pictures that a resumed run is going to draw again, and what a killed one left half written."""
        if trainer.is_global_zero:
            folder = _folder(trainer)
            later = [path for path in _pictures(folder) if _iteration(path) > pl_module.iteration]
            for path in [*later, *folder.glob(".iteration-*.png")]:
                path.unlink(missing_ok=True)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        game = pl_module
        if not due(game, self.every) or not isinstance(game.model, Samples):
            return
        model = game.evaluated_model()  # on every rank, so that they stay alike
        if trainer.is_global_zero:
            self._draw(trainer, game, model)

    def _draw(self, trainer: pl.Trainer, game: Any, model: Any) -> None:
        if self._shape is None:
            self._shape = tuple(model.sample(1, seed=self.seed).shape[1:])
        if not is_picture(self._shape):
            return
        planar = len(self._shape) == 1
        samples = self._samples(model, planar=planar).cpu()
        folder, iteration = _folder(trainer), game.iteration
        real = self._real_samples(trainer, len(samples))
        if real is not None and not (folder / "real.png").is_file():
            picture = self._picture(trainer, real[:0] if planar else real, "real")
            log_picture(trainer, "samples/real", save_png(picture, folder / "real.png"), iteration)
        picture = self._picture(trainer, samples, f"iteration {iteration:,}")
        path = save_png(picture, folder / f"iteration-{iteration:08d}.png")
        log_picture(trainer, "samples/grid", path, iteration)
        if iteration == game.iterations:
            if isinstance(model, Interpolates):
                self._interpolation(trainer, model, iteration, planar=planar)
            frames = [path for path in _pictures(folder) if _iteration(path) <= iteration]
            log_picture(trainer, "samples/progress", gif(frames, folder / "progress.gif"), iteration)

    def _samples(self, model: Any, *, planar: bool) -> Tensor:
        if planar:
            return cast(Tensor, model.sample(POINTS, seed=self.seed))
        n = self.rows * self.columns
        if isinstance(model, SamplesByLabel):
            return model.sample(n, label=self._classes(model).repeat_interleave(self.columns), seed=self.seed)
        return cast(Tensor, model.sample(n, seed=self.seed))

    def _classes(self, model: SamplesByLabel) -> Tensor:
        """The class of each row, (rows,)."""
        return torch.arange(self.rows) % model.classes

    def _interpolation(self, trainer: pl.Trainer, model: Any, iteration: int, *, planar: bool) -> None:
        steps = PATH_STEPS if planar else self.columns
        told = {"label": self._classes(model)} if isinstance(model, SamplesByLabel) else {}
        paths = model.interpolate(self.rows, steps, seed=self.seed, **told).cpu()
        if planar and paths.shape[2] == 1:
            return  # on the line there is nothing to see
        title = "along paths between codes" if planar else ""
        picture = self._picture(trainer, paths.flatten(0, 1), title, paths=paths if planar else None)
        path = save_png(picture, _folder(trainer) / "interpolation.png")
        log_picture(trainer, "samples/interpolation", path, iteration)

    def _picture(self, trainer: pl.Trainer, samples: Tensor, title: str, *, paths: Tensor | None = None) -> Image.Image:
        if samples.dim() == 4:
            return image_grid(samples, self.columns)
        modes = getattr(_data(trainer), "modes", None)
        return planar_figure(
            samples,
            self._real_samples(trainer, POINTS),
            None if modes is None else modes.centres,
            title=title,
            paths=paths,
        )

    def _real_samples(self, trainer: pl.Trainer, n: int) -> Tensor | None:
        """n training samples, always the same ones; None where the data module cannot be asked for them."""
        data = _data(trainer)
        if self._real is None and hasattr(data, "iteration_batches"):
            # The training stream is shuffled and can be entered anywhere; a split may be sorted by class.
            batches = data.iteration_batches(0, -(-n // data.batch_size), seed=self.seed, device="cpu")
            self._real = torch.cat([batch.x.cpu() for batch in batches])[:n]
        return self._real


def _data(trainer: pl.Trainer) -> Any:
    return getattr(trainer, "datamodule", None)


def _folder(trainer: pl.Trainer) -> Path:
    return Path(trainer.default_root_dir) / "samples"


def _pictures(folder: Path) -> list[Path]:
    """The run's pictures so far, in the order of their iterations."""
    return sorted((path for path in folder.glob("iteration-*.png") if path.stem[10:].isdigit()), key=_iteration)


def _iteration(path: Path) -> int:
    return int(path.stem.removeprefix("iteration-"))
