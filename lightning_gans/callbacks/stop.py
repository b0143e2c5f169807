"""Graceful stop: a request ends the run between two iterations, after a checkpoint."""

import time

import pytorch_lightning as pl

from lightning_gans.core.game import Game
from lightning_gans.core.interruption import Interruption
from lightning_gans.strategies.exchange import largest, processes

ASK_SECONDS = 1.0  # of training between two checks with the other processes


class GracefulStop(pl.Callback):
    """Ends the run between two iterations, after a checkpoint, once any of its processes was asked to stop.

    It is the first callback of a run, so that later ones leave slow work (evaluation, pictures) to the next start.

    Args:
        interruption: listens for the signals.
    """

    def __init__(self, interruption: Interruption) -> None:
        self.interruption = interruption
        self._asked_at, self._asked_after, self._next, self._width = time.monotonic(), 0, 0, 1

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        self.interruption.begin()
        self._asked_at, self._asked_after, self._next, self._width = time.monotonic(), pl_module.iteration, 0, 1

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object) -> None:
        assert isinstance(pl_module, Game)
        if processes() > 1:
            if pl_module.iteration < self._next:
                return
            self._next = pl_module.iteration + self._stride(pl_module)
        if self.interruption.agree(pl_module.device):
            trainer.should_stop = True

    def _stride(self, game: Game) -> int:
        """Iterations until the next check: a second's worth of the slowest process, and at most twice the last stride.

        The first iterations of a sitting may be faster than the later ones.
        """
        now, done = time.monotonic(), game.iteration - self._asked_after
        seconds = largest((now - self._asked_at) / max(done, 1), game.device)
        self._asked_at, self._asked_after = now, game.iteration
        self._width = max(1, min(int(ASK_SECONDS / max(seconds, 1e-3)), 2 * self._width, 1000))
        return self._width

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.interruption.agree(pl_module.device):
            trainer.should_stop = True
