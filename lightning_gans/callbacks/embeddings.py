"""Embeddings: t-SNE pictures of the features of two domains, before and after training."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lightning_gans.callbacks.pictures import log_picture
from lightning_gans.core.activity import activity
from lightning_gans.core.interruption import stopping
from lightning_gans.core.protocols import TellsDomains
from lightning_gans.evaluation.domains import POINTS, features_of
from lightning_gans.evaluation.splits import domains_of
from lightning_gans.reporting.embeddings import embedding_figure
from lightning_gans.reporting.images import save_png


class Embeddings(pl.Callback):
    """Draws the features of both domains on a plane, before and after training, into run_dir/samples.

    features-before.png and features-after.png: t-SNE (van der Maaten and Hinton 2008) of held-out samples, 500 of each
    domain, coloured by domain and by class. Drawn if the model predicts domains and the data have two.

    Args:
        points: of each domain.
        seed: of t-SNE.
    """

    def __init__(self, *, points: int = POINTS, seed: int = 0) -> None:
        self.points, self.seed = points, seed

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if pl_module.iteration == 0:
            self._draw(trainer, pl_module, "before")

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if pl_module.iteration >= pl_module.iterations and not stopping():
            self._draw(trainer, pl_module, "after")

    def _draw(self, trainer: pl.Trainer, game: Any, when: str) -> None:
        parts = domains_of(getattr(trainer, "datamodule", None))
        if parts is None or not isinstance(game.model, TellsDomains):
            return
        model = game.evaluated_model()  # on every rank, so that they stay equal
        if trainer.is_global_zero:
            with activity("t-SNE of the features of both domains", None):
                picture = embedding_figure(*features_of(model, parts, points=self.points), seed=self.seed)
            path = save_png(picture, Path(trainer.default_root_dir) / "samples" / f"features-{when}.png")
            log_picture(trainer, f"samples/features_{when}", path, game.iteration)
