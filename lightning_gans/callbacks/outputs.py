"""Outputs: pictures of held-out inputs, generated outputs and true outputs."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.callbacks.pictures import Pictures, drawn, folder, log_picture, picture
from lightning_gans.core.data import HasParts
from lightning_gans.core.protocols import GeneratesFromImages
from lightning_gans.reporting.images import gif, image_grid


@picture
class Outputs(Pictures[HasParts]):
    """Draws the evaluated model's outputs for held-out inputs into run_dir/samples.

    Every `every` iterations and at the end, outputs-00002000.png: columns of one input each, in groups of four rows:
    the input, two outputs that differ in their noise, and the true output; without noise, groups of three. At the end
    outputs.gif, all of them in order.

    Args:
        every: iterations.
        rows, columns: of the pictures; at least one group is drawn.
        seed: of the noise of the first output.
    """

    series = ("outputs",)
    animated = True

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        super().__init__(every=every, rows=rows, columns=columns, seed=seed)
        self._real: tuple[Tensor, Tensor] | None = None

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, GeneratesFromImages) and isinstance(data, HasParts)

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: HasParts) -> None:
        a, b = self._pairs(data)
        outputs = [model.generate(a, seed=self.seed + draw).cpu() for draw in range(2)]
        rows = [a, *(outputs if not torch.equal(*outputs) else outputs[:1]), b]
        channels = max(part.shape[1] for part in rows)
        groups = max(1, self.rows // len(rows))
        shown = [_rows(part.expand(-1, channels, -1, -1), groups, self.columns) for part in rows]
        grid = image_grid(torch.stack(shown, dim=1).flatten(0, 2), self.columns)
        self.save(trainer, grid, "outputs", game.iteration)
        if game.iteration == game.iterations:
            path = gif(drawn(trainer, "outputs"), folder(trainer) / "outputs.gif")
            log_picture(trainer, "samples/outputs_progress", path, game.iteration)

    def _pairs(self, data: HasParts) -> tuple[Tensor, Tensor]:
        """Inputs and outputs for as many columns as can be shown, the same at every call."""
        if self._real is None:
            n = max(1, self.rows // 3) * self.columns
            parts = [data.parts[side] for side in ("a", "b")]
            splits = [
                part.split("validation") if len(part.split("validation")) else part.split("train") for part in parts
            ]
            a, b = (torch.cat([batch.x for batch in split.at_most(n).batches(n)]) for split in splits)
            self._real = a, b
        return self._real


def _rows(x: Tensor, groups: int, columns: int) -> Tensor:
    """Arrange (N, C, H, W) as (groups, columns, C, H, W), white where samples are missing."""
    x = x[: groups * columns]
    x = torch.cat([x, x.new_ones(-len(x) % columns, *x.shape[1:])])
    filled: Tensor = x.unflatten(0, (-1, columns))
    return filled
