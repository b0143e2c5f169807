"""Time limit of one sitting of a run."""

import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Timer

from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game
from lightning_gans.strategies.exchange import any_says, processes

CLOCK_EVERY = 25  # iterations between two readings of the clock, on which the processes must agree


class TimeLimit(pl.Callback):
    """Stops training a given time after it began or was resumed, with a checkpoint as on any stop.

    Lightning's Timer counts all sittings together, so a run that it stopped could not be continued by the same command.

    Args:
        max_time: DD:HH:MM:SS, a dictionary of weeks, days, hours, minutes and seconds, or None for no limit.

    Attributes:
        over: the limit is reached.

    Raises:
        UserError: it cannot be read, or is not above 0.
    """

    def __init__(self, max_time: str | Mapping[str, float] | None) -> None:
        self.seconds = float("inf") if max_time is None else _seconds(max_time)
        self.over = False
        self._end = float("inf")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.over, self._end = False, time.monotonic() + self.seconds

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, Game)
        if self.seconds == float("inf") or (processes() > 1 and pl_module.iteration % CLOCK_EVERY):
            return
        if any_says(time.monotonic() >= self._end, pl_module.device):
            self.over = trainer.should_stop = True


def _seconds(max_time: Any) -> float:
    try:
        seconds = Timer(duration=dict(max_time) if isinstance(max_time, Mapping) else max_time).time_remaining()
    except (MisconfigurationException, TypeError, AttributeError):
        seconds = None
    if not seconds or seconds < 0:
        raise UserError(
            f"trainer.max_time={max_time} is no time above 0: write days:hours:minutes:seconds, as in "
            "trainer.max_time=00:01:30:00, or {hours: 1, minutes: 30}."
        )
    return seconds
