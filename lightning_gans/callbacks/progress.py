"""Progress of a run in the terminal: iterations, speed, losses and scores."""

import atexit
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from lightning_gans.callbacks.training_log import player_losses
from lightning_gans.core.activity import Report
from lightning_gans.core.game import Game
from lightning_gans.reporting.terminal import Activity, Snapshot, View, view_for

PERIOD = 0.25  # seconds between two updates
WINDOW = 20  # updates over which the speed is measured


class Progress(pl.Callback):
    """Progress bar in iterations over the whole run; plain lines in a pipe or a file. Rank 0 only.

    Lightning's own ProgressBar counts batches of an epoch. Here an iteration costs no more than one reading of the
    clock.

    Args:
        console: output of the bar; standard output by default.
    """

    def __init__(self, *, console: Console | None = None) -> None:
        self.console = console or Console()
        self._view: View | None = None
        self._next = self._started = 0.0
        self._first = 0
        self._looks: deque[tuple[float, int]] = deque(maxlen=WINDOW)
        self._activities: list[Activity] = []
        self._beginning, self._starting = ExitStack(), False

    @contextmanager
    def task(self, text: str, total: float | None = 1.0) -> Iterator[Report]:
        """Show an activity, after those that it is part of; a display of `core.activity`."""
        if getattr(rank_zero_only, "rank", 0):
            yield lambda done: None
            return
        mine = Activity(text, total)
        self._activities.append(mine)
        due = 0.0

        def report(done: float) -> None:
            nonlocal due
            mine.done = done
            now = time.monotonic()
            if now >= due and self._activities[-1] is mine:
                due = now + PERIOD
                self._show_activities()

        self._open()
        self._show_activities()
        try:
            yield report
        finally:
            self._activities = [other for other in self._activities if other is not mine]
            self._show_activities()

    def _show_activities(self) -> None:
        if self._view is None:
            return  # closed meanwhile, by an exception
        try:
            self._view.doing(self._activities)
        except OSError:  # the reader is gone (`| head`)
            self._next = float("inf")

    def wait(self, text: str) -> None:
        """Show an activity until every process of the run has arrived."""
        self._beginning.enter_context(self.task(text, None))

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._beginning.close()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        self._next = float("inf")  # never on the other ranks
        if trainer.is_global_zero:
            self._started, self._first = time.monotonic(), pl_module.iteration
            self._looks.clear()
            self._look(pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._starting = True  # every other callback has begun, and no batch has been read
        self._beginning.enter_context(self.task("first iteration"))

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if self._starting:
            self._starting = False
            self._beginning.close()
        if time.monotonic() >= self._next:
            self._look(pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        if trainer.is_global_zero:
            self._look(pl_module)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bar as it is and restore the terminal."""
        self._beginning.close()
        if self._view is not None:
            self._view.close()
            self._view = None
            atexit.unregister(self.close)

    def _open(self) -> View:
        if self._view is None:
            self._view = view_for(self.console)
            atexit.register(self.close)  # a hidden cursor must not outlive the process
        return self._view

    def _look(self, game: Game) -> None:
        now = time.monotonic()
        self._next = now + PERIOD
        self._looks.append((now, game.iteration))
        before, iteration = self._looks[0]
        rate = (game.iteration - iteration) / (now - before) if now > before else 0.0
        elapsed, done = now - self._started, game.iteration - self._first
        remaining = game.iterations - game.iteration
        snapshot = Snapshot(
            iteration=game.iteration,
            iterations=game.iterations,
            rate=rate,
            images_rate=rate * game.training_settings.batch_size,
            elapsed=elapsed,
            # over the whole sitting, since evaluations are part of the remaining time
            left=remaining * elapsed / done if done and remaining else None,
            losses=player_losses(game.latest),
            scores=_headline(game),
        )
        try:
            self._open().show(snapshot)
        except OSError:  # the reader is gone (`| head`, a dropped connection): the run goes on without one
            self._next = float("inf")


def _headline(game: Game) -> dict[str, float]:
    """Newest value of the metric that selects the best checkpoint, or of the first one measured."""
    names = [game.headline, *game.scores.state_dict()]
    return next(({name: game.scores[name].last} for name in names if name in game.scores), {})
