"""Training log: losses, gradient norms, learning rates and speed, in losses.csv and loggers."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch

from lightning_gans.core.errors import Diverged, UserError
from lightning_gans.core.events import Evidence, due
from lightning_gans.core.game import Game
from lightning_gans.core.interruption import requested, stopping
from lightning_gans.reporting.csv_files import CsvFile

TRAIN, EVAL, TEST = "train/", "eval/", "test/"  # prefixes of the names in loggers and Lightning's callbacks


class TrainingLog(pl.Callback):
    """Logs the game's running means every `every` iterations, which is the only time that losses leave the device.

    A row of losses.csv holds the means since the previous row, `<player>/learning_rate`, `iterations_per_second` and
    `images_per_second` (wall time, evaluations included). Loggers, and callbacks of Lightning that monitor a loss, get
    them as `train/<player>/<term>`, and each player's total loss as `train/<player>/loss`. Loggers with
    `log_summary(facts)` get the best value of each metric after every evaluation, and the run's status at its end.

    Raises (while training, on every rank alike):
        Diverged: a loss or gradient was NaN or infinite since the previous row.
    """

    def __init__(self, *, every: int = 25) -> None:
        if every < 1:
            raise UserError(f"trainer.log_every={every}: must be at least 1 iteration between two readings of losses.")
        self.every = every
        self._seconds_before = 0.0
        self._started = self._since = time.monotonic()
        self._iteration = 0
        self._training = False

    @property
    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._started

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seconds_before = float(state_dict["seconds"])

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        self._started = self._since = time.monotonic()
        self._iteration = pl_module.iteration
        self._training = True
        show_callbacks(trainer, _of_training(pl_module.latest))  # of the previous sitting
        if trainer.is_global_zero:
            self._csv = CsvFile(Path(trainer.default_root_dir) / "losses.csv")
            self._csv.resume(pl_module.iteration)
        tell_summary(trainer, {"status": "running", **best_scores(pl_module)})

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if not due(pl_module, self.every):
            return
        assert isinstance(pl_module, Game)
        values = dict(pl_module.read_losses())
        show_callbacks(trainer, _of_training(values))
        if not trainer.is_global_zero:
            return
        values |= {f"{player}/learning_rate": rate for player, rate in pl_module.learning_rates().items()}
        values |= self._speed(pl_module)
        now = {"iteration": pl_module.iteration, "images": pl_module.images, "seconds": round(self.seconds, 2)}
        self._csv.append(now | values)
        for logger in trainer.loggers:
            logger.log_metrics(_of_training(values) | spent(trainer, pl_module), step=pl_module.iteration)

    def _speed(self, game: Game) -> dict[str, float]:
        now = time.monotonic()
        rate = (game.iteration - self._iteration) / max(now - self._since, 1e-9)
        self._since, self._iteration = now, game.iteration
        return {"iterations_per_second": rate, "images_per_second": rate * game.training_settings.batch_size}

    def on_evaluation(self, trainer: pl.Trainer, game: Game, evidence: Evidence) -> None:
        tell_summary(trainer, best_scores(game))

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, UserError) and not self._training:
            return  # a refused command: loggers keep the status of the run that it would have resumed
        if isinstance(exception, Diverged):
            tell_alert(trainer, "error", "The run diverged", str(exception))
        fault = "diverged" if isinstance(exception, Diverged) else "crashed"
        self._end(trainer, pl_module, "stopped" if requested(exception) else fault)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        whole = isinstance(pl_module, Game) and pl_module.iteration >= pl_module.iterations and not stopping()
        self._end(trainer, pl_module, "finished" if whole else "stopped")

    def _end(self, trainer: pl.Trainer, game: pl.LightningModule, status: str) -> None:
        scores = best_scores(game) if isinstance(game, Game) else {}
        tell_summary(trainer, {"status": status, **scores})


def best_scores(game: Game) -> dict[str, float]:
    """Best scores: `eval/<metric>.best` and `eval/<metric>.best_iteration` of every metric measured so far."""
    facts: dict[str, float] = {}
    for name, score in game.scores.state_dict().items():
        facts |= {f"{EVAL}{name}.best": score["best"], f"{EVAL}{name}.best_iteration": score["best_iteration"]}
    return facts


def player_losses(latest: Mapping[str, float]) -> dict[str, float]:
    """Loss of each player, from the newest means of a game.

    A player's gradient norm is recorded right after its loss: `<player>/loss`, or its only term under its own name.
    """
    losses: dict[str, float] = {}
    newest: dict[str, float] = {}
    for name, value in latest.items():
        player, _, term = name.rpartition("/")
        if term == "gradient_norm" and player in newest:
            losses[player] = latest.get(f"{player}/loss", newest[player])
        newest[player] = value
    return losses


def _of_training(values: Mapping[str, float]) -> dict[str, float]:
    """Means of training under the names in loggers."""
    losses = {f"{player}/loss": value for player, value in player_losses(values).items()}
    return {f"{TRAIN}{name}": value for name, value in {**values, **losses}.items()}


def spent(trainer: pl.Trainer, game: Game) -> dict[str, float]:
    """Values of the x-axes of charts other than iterations: `images` seen, and `seconds` of all sittings."""
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    clock = next((callback for callback in callbacks if isinstance(callback, TrainingLog)), None)
    seconds = {} if clock is None else {"seconds": round(clock.seconds, 2)}
    return {"images": float(game.images), **seconds}


def show_callbacks(trainer: pl.Trainer, values: Mapping[str, float]) -> None:
    """Publish values as `trainer.callback_metrics`, for callbacks that monitor them; the same on every rank."""
    trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})


def tell_summary(trainer: pl.Trainer, facts: Mapping[str, Any]) -> None:
    """Send facts about the run as a whole to each logger that has `log_summary(facts)`; rank 0 only."""
    if not trainer.is_global_zero:
        return
    for logger in trainer.loggers:
        tell = getattr(logger, "log_summary", None)
        if callable(tell):
            tell(facts)


def tell_alert(trainer: pl.Trainer, level: Literal["warning", "error"], title: str, text: str) -> None:
    """Send an alert to each logger that has `log_alert(level, title, text)`; rank 0 only."""
    if not trainer.is_global_zero:
        return
    for logger in trainer.loggers:
        tell = getattr(logger, "log_alert", None)
        if callable(tell):
            tell(level, title, text)
