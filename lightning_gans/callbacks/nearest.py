"""Nearest training images of generated images, to detect memorisation."""

from typing import Any

import pytorch_lightning as pl

from lightning_gans.callbacks.pictures import Pictures, picture
from lightning_gans.core.data import Data
from lightning_gans.core.protocols import Samples
from lightning_gans.evaluation.splits import read
from lightning_gans.metrics.memorisation import memorised
from lightning_gans.reporting.charts import nearest_figure

SHOWN = 8  # generated images


@picture
class NearestImages(Pictures[Data]):
    """Draws neighbours.png at the end of a run: eight generated images over their three nearest training images.

    Distances are Euclidean, between pixels in [-1, 1]; equal training images are shown once.
    """

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, Samples) and len(getattr(data, "sample_shape", ())) == 3

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: Data) -> None:
        if game.iteration < game.iterations:
            return
        samples, train = model.sample(SHOWN, seed=self.seed), data.split("train")
        found = memorised(samples, (batch.x for batch in read(train)))
        places = found.nearest.cpu().clamp_min(0)
        images = next(train.take(places.flatten()).batches(places.numel())).x.unflatten(0, places.shape)
        self.save(trainer, nearest_figure(samples.cpu(), images, found.distances.cpu()), "neighbours", game.iteration)
