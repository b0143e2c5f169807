"""Held-out samples as another speaker would say them: spectrograms, and sounds where the data can make them."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from lightning_gans.callbacks.disentanglement import targets
from lightning_gans.callbacks.media import image_grid, log_picture, save_png
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import due
from lightning_gans.core.files import write_atomically
from lightning_gans.core.protocols import Converts
from lightning_gans.core.rng import stream

SOUNDS = 4  # conversions that can be listened to


class Conversions(pl.Callback):
    """Draws conversions of held-out samples (mels, frames), into run_dir/samples.

    Every `every` iterations and at the end, conversions-00002000.png: columns of a source, an utterance of the target
    speaker, and the conversion below them, low frequencies at the bottom. At the end, for the first four of them,
    conversion-1-source.wav, -target.wav and -converted.wav, all three by way of their spectrograms, where the data
    module turns such into sound (`wav`).

    Args:
        every: iterations.
        rows, columns: of the pictures: a third of `rows`, at least one, of `columns` conversions each.
        seed: draws which samples.
    """

    def __init__(self, *, every: int, rows: int = 8, columns: int = 8, seed: int = 0) -> None:
        for name, value in (("every", every), ("rows", rows), ("columns", columns)):
            if value < 1:
                raise UserError(f"callbacks.grids.{name}={value}: must be at least 1.")
        self.every, self.rows, self.columns, self.seed = every, max(1, rows // 3), columns, seed
        self._shown: tuple[Tensor, Tensor] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Forget pictures that a resumed run is going to draw again."""
        if trainer.is_global_zero:
            for path in _folder(trainer).glob("conversions-*.png"):
                number = path.stem.rpartition("-")[2]
                if number.isdigit() and int(number) > pl_module.iteration:
                    path.unlink(missing_ok=True)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        game = pl_module
        data: Any = getattr(trainer, "datamodule", None)
        shape = getattr(data, "sample_shape", ())
        if not due(game, self.every) or not isinstance(game.model, Converts) or len(shape) != 2:
            return
        model = game.evaluated_model()  # on every rank, so that they stay alike
        if not trainer.is_global_zero or not isinstance(model, Converts):
            return
        source, target = self._samples(data)
        converted = model.convert(source, target).cpu()
        columns = min(self.columns, len(source))
        rows = [part.split(columns) for part in (source, target, converted)]
        cells = torch.cat([part for triple in zip(*rows, strict=True) for part in triple])
        name = f"conversions-{game.iteration:08d}"
        path = save_png(image_grid(cells[:, None].flip(2), columns), _folder(trainer) / f"{name}.png")
        log_picture(trainer, "samples/conversions", path, game.iteration)
        if game.iteration == game.iterations and hasattr(data, "wav"):
            for what, x in (("source", source), ("target", target), ("converted", converted)):
                for number, sound in enumerate(data.wav(x[:SOUNDS]), 1):
                    write_atomically(_folder(trainer) / f"conversion-{number}-{what}.wav", sound)

    def _samples(self, data: Any) -> tuple[Tensor, Tensor]:
        """Sources and targets, always the same ones; full rows of them, where there are enough."""
        if self._shown is None:
            split = data.split("validation")
            x = torch.cat([batch.x for batch in split.batches(256)])
            chosen = torch.randperm(len(x), generator=stream("conversions", self.seed))[: self.rows * self.columns]
            chosen = chosen[: max(1, len(chosen) // self.columns) * self.columns]
            self._shown = x[chosen], x[targets(split.speakers.cpu())[chosen]]
        return self._shown


def _folder(trainer: pl.Trainer) -> Path:
    return Path(trainer.default_root_dir) / "samples"
