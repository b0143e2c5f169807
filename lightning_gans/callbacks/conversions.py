"""Conversions: pictures and sounds of held-out utterances in another speaker's voice."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.callbacks.pictures import Pictures, folder, picture
from lightning_gans.core.activity import activity
from lightning_gans.core.data import Playable, SpeechData
from lightning_gans.core.files import write_atomically
from lightning_gans.core.protocols import Converts
from lightning_gans.core.rng import stream
from lightning_gans.evaluation.disentanglement import targets
from lightning_gans.reporting.images import image_grid

SOUNDS = 4  # conversions with sound files


@picture
class Conversions(Pictures[SpeechData]):
    """Draws conversions of held-out samples (mels, frames) into run_dir/samples.

    Every `every` iterations and at the end, conversions-00002000.png: columns of a source, an utterance of the target
    speaker, and the conversion below them, low frequencies at the bottom. At the end, for the first four of them,
    conversion-1-source.wav, -target.wav and -converted.wav, all three synthesised from their spectrograms, if the data
    module can do so (`wav`).

    Args:
        every: iterations.
        rows, columns: of the pictures: a third of `rows`, at least one, of `columns` conversions each.
        seed: draws which samples.
    """

    series = ("conversions",)

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        super().__init__(every=every, rows=rows, columns=columns, seed=seed)
        self._shown: tuple[Tensor, Tensor] | None = None

    def applies(self, game: Any, data: object) -> bool:
        return isinstance(game.model, Converts) and len(getattr(data, "sample_shape", ())) == 2

    def draw(self, trainer: pl.Trainer, game: Any, model: Any, data: SpeechData) -> None:
        source, target = self._samples(data)
        converted = model.convert(source, target).cpu()
        columns = min(self.columns, len(source))
        rows = [part.split(columns) for part in (source, target, converted)]
        cells = torch.cat([part for triple in zip(*rows, strict=True) for part in triple])
        self.save(trainer, image_grid(cells[:, None].flip(2), columns), "conversions", game.iteration)
        if game.iteration == game.iterations and isinstance(data, Playable):
            for what, x in (("source", source), ("target", target), ("converted", converted)):
                with activity(f"sounds of {what} samples"):
                    for number, sound in enumerate(data.wav(x[:SOUNDS]), 1):
                        write_atomically(folder(trainer) / f"conversion-{number}-{what}.wav", sound)

    def _samples(self, data: SpeechData) -> tuple[Tensor, Tensor]:
        """Sources and targets, the same at every call; full rows of them if there are enough."""
        if self._shown is None:
            split = data.split("validation")
            x = torch.cat([batch.x for batch in split.batches(256)])
            n = max(1, self.rows // 3) * self.columns
            chosen = torch.randperm(len(x), generator=stream("conversions", self.seed))[:n]
            chosen = chosen[: max(1, len(chosen) // self.columns) * self.columns]
            self._shown = x[chosen], x[targets(split.speakers.cpu())[chosen]]
        return self._shown
