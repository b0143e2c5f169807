"""Pictures of held-out images, each beside samples for its condition vector."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.callbacks.pictures import Pictures, picture
from lightning_gans.core.data import HasConditions
from lightning_gans.core.protocols import SamplesByCondition
from lightning_gans.reporting.images import image_grid


@picture
class Conditions(Pictures[HasConditions]):
    """Draws samples for condition vectors of held-out images into run_dir/samples.

    Every `every` iterations and at the end, conditions-00002000.png: in each row a held-out image, and samples for its
    condition with different codes.

    Args:
        every: iterations.
        rows, columns: of the pictures.
        seed: of the codes.
    """

    series = ("conditions",)

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        super().__init__(every=every, rows=rows, columns=columns, seed=seed)
        self._real: tuple[Tensor, Tensor] | None = None

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, SamplesByCondition) and isinstance(data, HasConditions)

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: HasConditions) -> None:
        x, conditions = self._held_out(data)
        samples = max(self.columns - 1, 1)
        made = model.sample(len(x) * samples, condition=conditions.repeat_interleave(samples, 0), seed=self.seed)
        rows = torch.cat([x[:, None], made.cpu().unflatten(0, (len(x), samples))], 1)
        self.save(trainer, image_grid(rows.flatten(0, 1), samples + 1), "conditions", game.iteration)

    def _held_out(self, data: HasConditions) -> tuple[Tensor, Tensor]:
        """Held-out images and their conditions, the same at every call; of the training split if none are held out."""
        if self._real is None:
            split = data.split("validation") if len(data.split("validation")) else data.split("train")
            part = split.at_most(self.rows)
            self._real = torch.cat([batch.x for batch in part.batches(self.rows)]), part.conditions
        return self._real
