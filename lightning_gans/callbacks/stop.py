"""Stopping on request: finish the iteration, save, leave."""

import signal
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from lightning_gans.core.game import Game
from lightning_gans.strategies.exchange import any_says, processes

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ASK_EVERY = 10  # iterations between two questions to the other ranks


class GracefulStop(pl.Callback):
    """Ctrl-C or SIGTERM ends the run after the iteration in hand, saved; a second one ends it at once.

    A handler that saved by itself could cut an update in two: it only raises a flag, which the ranks agree on between
    iterations.
    """

    def __init__(self) -> None:
        self.requested: int | None = None
        self.stopped = False
        self._previous: dict[int, Any] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for number in SIGNALS:  # Lightning has put a handler of its own for SIGTERM before ours, which leaves unsaved
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested is not None:
            raise KeyboardInterrupt
        self.requested = number

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, Game)
        if processes() > 1 and pl_module.iteration % ASK_EVERY:
            return
        if any_says(self.requested is not None, pl_module.device):
            self.stopped = pl_module.iteration < pl_module.iterations
            trainer.should_stop = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}
