"""Sample grids: pictures of samples from fixed noise, of interpolations, and their animation."""

from typing import Any, cast

import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor

from lightning_gans.callbacks.pictures import Pictures, drawn, folder, iteration_of, log_picture, picture
from lightning_gans.core.data import Data
from lightning_gans.core.protocols import Discriminates, Interpolates, Samples, SamplesByLabel
from lightning_gans.reporting.images import gif, image_grid, is_picture
from lightning_gans.reporting.planar import Discriminator, planar_figure
from lightning_gans.settings import Count, Seed

POINTS = 2000  # of a planar picture
PATH_STEPS = 64  # points of a path on the plane


@picture
class SampleGrids(Pictures[Data | None]):
    """Draws samples of the evaluated model into run_dir/samples, every `every` iterations and at the end.

    iteration-00002000.png: rows x columns samples from fixed noise, from iteration 0 on. Points are drawn over real
    ones on fixed axes, and over the level sets of D if D judges samples one by one. real.png: real samples in the same
    form, drawn with the first picture. At the end also interpolation.png (from one code to another along each row) and
    progress.gif (all pictures of the run, in order). With a class-conditional model each row has one class: the first
    `rows` classes, repeated if there are fewer. Models that do not sample are skipped.

    Args:
        every: iterations between two grids.
        rows: rows of a grid.
        columns: columns of a grid.
        seed: seed of the latent codes.
    """

    series = ("iteration",)
    animated = True

    def __init__(self, *, every: Count, rows: Count = 8, columns: Count = 8, seed: Seed = 0) -> None:
        super().__init__(every=every, rows=rows, columns=columns, seed=seed)
        self._shape: tuple[int, ...] | None = None
        self._real: Tensor | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        if trainer.is_global_zero:
            for path in folder(trainer).glob(".iteration-*.png"):  # incomplete files of a killed run
                path.unlink(missing_ok=True)

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, Samples)

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: Data | None) -> None:
        if self._shape is None:
            self._shape = tuple(model.sample(1, seed=self.seed).shape[1:])
        if not is_picture(self._shape):
            return
        planar = len(self._shape) == 1
        samples = self._samples(model, planar=planar).cpu()
        iteration = game.iteration
        real = self._real_samples(data, len(samples))
        if real is not None and not (folder(trainer) / "real.png").is_file():
            self.save(trainer, self._picture(data, real[:0] if planar else real, "real"), "real", iteration)
        picture = self._picture(data, samples, f"iteration {iteration:,}", game=game)
        self.save(trainer, picture, "iteration", iteration, told="grid")
        if iteration == game.iterations:
            if isinstance(model, Interpolates):
                self._interpolation(trainer, data, model, iteration, planar=planar)
            frames = [path for path in drawn(trainer, "iteration") if iteration_of(path) <= iteration]
            log_picture(trainer, "samples/progress", gif(frames, folder(trainer) / "progress.gif"), iteration)

    def _samples(self, model: Any, *, planar: bool) -> Tensor:
        if planar:
            return cast(Tensor, model.sample(POINTS, seed=self.seed))
        n = self.rows * self.columns
        if isinstance(model, SamplesByLabel):
            return model.sample(n, label=self._classes(model).repeat_interleave(self.columns), seed=self.seed)
        return cast(Tensor, model.sample(n, seed=self.seed))

    def _classes(self, model: SamplesByLabel) -> Tensor:
        """Class of each row, (rows,)."""
        return torch.arange(self.rows) % model.classes

    def _interpolation(
        self, trainer: pl.Trainer, data: Data | None, model: Any, iteration: int, *, planar: bool
    ) -> None:
        steps = PATH_STEPS if planar else self.columns
        told = {"label": self._classes(model)} if isinstance(model, SamplesByLabel) else {}
        paths = model.interpolate(self.rows, steps, seed=self.seed, **told).cpu()
        if planar and paths.shape[2] == 1:
            return  # one-dimensional: nothing to see
        title = "along paths between codes" if planar else ""
        picture = self._picture(data, paths.flatten(0, 1), title, paths=paths if planar else None)
        self.save(trainer, picture, "interpolation", iteration)

    def _picture(
        self, data: Data | None, samples: Tensor, title: str, *, paths: Tensor | None = None, game: Any = None
    ) -> Image.Image:
        if samples.dim() == 4:
            return image_grid(samples, self.columns)
        modes = None if data is None else data.modes
        return planar_figure(
            samples,
            self._real_samples(data, POINTS),
            None if modes is None else modes.centres,
            title=title,
            paths=paths,
            discriminator=_discriminator(game) if isinstance(game, Discriminates) else None,
        )

    def _real_samples(self, data: Data | None, n: int) -> Tensor | None:
        """n training samples, the same at every call; None if the data module does not provide them."""
        if self._real is None and data is not None and hasattr(data, "iteration_batches"):
            # The training stream is shuffled and can start at any batch; a split may be sorted by class.
            batches = data.iteration_batches(0, -(-n // data.batch_size), seed=self.seed, device="cpu")
            self._real = torch.cat([batch.x.cpu() for batch in batches])[:n]
        return self._real


def _discriminator(game: Any) -> Discriminator:
    """Wrap a game's D for points on the CPU."""

    def logits(points: Tensor) -> Tensor | None:
        found: Tensor | None = game.logits(points.to(game.device))
        return None if found is None else found.float().cpu()

    return Discriminator(logits, game.boundary)
