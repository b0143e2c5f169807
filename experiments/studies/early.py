"""Callback that exports the generator early in training, in addition to the export at the end."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.models.export import save_generator
from lightning_gans.settings import Count

FOLDER = "early"


class EarlyGenerator(pl.Callback):
    """Exports the evaluated model after `iteration` iterations to the folder early/ of the run.

    Args:
        iteration: number of iterations after which the model is exported.
    """

    def __init__(self, *, iteration: Count) -> None:
        self.iteration = iteration

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if pl_module.iteration != self.iteration:
            return
        model = pl_module.evaluated_model()  # on every rank, so that ranks stay in sync
        if trainer.is_global_zero:
            callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
            spec = next(one.spec for one in callbacks if isinstance(one, Checkpoints))
            about = {"iteration": self.iteration}
            save_generator(model, spec, Path(trainer.default_root_dir) / FOLDER, about=about)
