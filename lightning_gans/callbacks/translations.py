"""Translations: pictures of held-out images, their translations, and the translations back."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.callbacks.pictures import Pictures, picture
from lightning_gans.core.data import HasParts
from lightning_gans.core.protocols import DIRECTIONS, Direction, Translates
from lightning_gans.evaluation.translation import back, source
from lightning_gans.reporting.images import image_grid


@picture
class Translations(Pictures[HasParts]):
    """Draws translations of held-out images, and their translations back, into run_dir/samples.

    Every `every` iterations and at the end, translations-a2b-00002000.png and the same of b2a: columns of one image
    each, in groups of three rows: the source, its translation, and the translation back.

    Args:
        every: iterations.
        rows, columns: of the pictures; at least one group of three is drawn.
        seed: not used; a picture's images are held-out ones, the same in every run.
    """

    series = ("translations-a2b", "translations-b2a")

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        super().__init__(every=every, rows=rows, columns=columns, seed=seed)
        self.groups = max(1, rows // 3)
        self._real: dict[str, Tensor] = {}

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, Translates) and isinstance(data, HasParts)

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: HasParts) -> None:
        for direction in DIRECTIONS:
            picture = image_grid(self._rows(model, direction, data), self.columns)
            self.save(trainer, picture, f"translations-{direction}", game.iteration)

    def _rows(self, model: Translates, direction: Direction, data: HasParts) -> Tensor:
        """Sources, translations and translations back, in alternating rows."""
        real = self._images(source(direction), data)
        there = model.translate(real, direction)
        threes = [part.cpu() for part in (real, there, model.translate(there, back(direction)))]
        channels = max(part.shape[1] for part in threes)
        rows = [
            torch.cat([part, part.new_ones(-len(part) % self.columns, *part.shape[1:])])
            for part in (part.expand(-1, channels, -1, -1) for part in threes)
        ]
        return torch.stack([part.unflatten(0, (-1, self.columns)) for part in rows], dim=1).flatten(0, 2)

    def _images(self, domain: str, data: HasParts) -> Tensor:
        if domain not in self._real:
            n = self.groups * self.columns
            split = data.parts[domain].split("validation")
            split = split if len(split) else data.parts[domain].split("train")  # a folder of two images
            self._real[domain] = torch.cat([batch.x for batch in split.at_most(n).batches(n)])
        return self._real[domain]
