"""Estimate of a run's time from its first iterations."""

import logging
import time
from typing import NamedTuple

import pytorch_lightning as pl

from lightning_gans.core.game import Game
from lightning_gans.reporting.terminal import duration

log = logging.getLogger("lightning_gans")

WARM_UP = 2  # iterations that are slower than the others
ITERATIONS, SECONDS = 10, 5.0  # measured at least
SHORT = 120.0  # seconds; a shorter run needs no estimate


class PaperBudget(NamedTuple):
    """Training budget of a paper. text: "200 epochs"; images: total number; an epoch counts the run's own data."""

    text: str
    images: int


class TimeEstimate(pl.Callback):
    """Prints once, after the first iterations, the time of the run on this machine, and of the paper's training.

    Runs of less than two minutes get no estimate.

    Args:
        paper: the training of the variant's paper; None if unknown.
    """

    def __init__(self, paper: PaperBudget | None = None) -> None:
        self.paper = paper
        self._start: float | None = None
        self._first = 0
        self._done = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        self._first = pl_module.iteration
        self._done = not trainer.is_global_zero

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        if self._done:
            return
        assert isinstance(pl_module, Game)
        done, now = pl_module.iteration - self._first - WARM_UP, time.monotonic()
        if done < 0:
            return
        if self._start is None:
            self._start = now
        elif done >= ITERATIONS and now - self._start >= SECONDS:
            self._done = True
            self._tell(pl_module, (now - self._start) / done)

    def _tell(self, game: Game, seconds: float) -> None:
        left = (game.iterations - game.iteration) * seconds
        if left < SHORT:
            return
        paper = ""
        if self.paper is not None:
            whole = self.paper.images / game.training_settings.batch_size * seconds
            paper = f" The paper has {self.paper.text}: about {duration(whole)} here."
        log.warning("About %s to go at %.2g s an iteration, evaluations apart.%s", duration(left), seconds, paper)
