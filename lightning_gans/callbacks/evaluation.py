"""Evaluation: scores of the evaluated weights at intervals, and on the test split at the end."""

import logging
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn

from lightning_gans.callbacks.training_log import EVAL, TEST, show_callbacks, spent, tell_summary
from lightning_gans.core.activity import activity
from lightning_gans.core.checkpoints import DamagedCheckpoint, load
from lightning_gans.core.data import Data, SplitName
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import EvaluationListener, Evidence, due
from lightning_gans.core.game import Game
from lightning_gans.core.interruption import StopRequested, abandonable, stopping
from lightning_gans.evaluation.scoring import Scoring
from lightning_gans.metrics.names import ERROR, METRICS, earlier
from lightning_gans.settings import Count, Given

log = logging.getLogger(__name__)


class Evaluation(pl.Callback):
    """Evaluates the averaged weights and reports the scores to loggers and every EvaluationListener.

    It replaces Lightning's validation loop: scores go to `trainer.callback_metrics` under the names in loggers
    (`eval/fid`), and then the hook `on_validation_end` of every callback is called, so that EarlyStopping and
    ModelCheckpoint act on them.

    Validation scores select the best checkpoint. Test scores are measured once, at the end, for the last and for the
    best weights. Measures that a model does not support are skipped. A stop request ends an evaluation in progress; the
    checkpoint records it (`pending`), and the run repeats it when it continues.

    Args:
        every: iterations between two evaluations.
        scoring: measures and their samples.
        headline: metric that chooses the best checkpoint; None: the variant's own, or that of sample quality.
    """

    def __init__(self, *, every: Count, scoring: Given[Scoring], headline: str | None = None) -> None:
        if every < 1:
            raise UserError(f"callbacks.evaluation.every={every}: must be at least 1.")
        if headline is not None and headline not in METRICS:
            nearest = get_close_matches(headline, METRICS, n=3)
            hint = f"Did you mean {' or '.join(nearest)}?" if nearest else f"There are {', '.join(METRICS)}."
            raise UserError(f"callbacks.evaluation.headline={headline}: no metric has that name. {hint}")
        self.every = every
        self.scoring = scoring
        self.headline = headline
        self.floor: dict[str, float] = {}
        self.test: dict[str, dict[str, float]] = {}
        self.pending = False

    def state_dict(self) -> dict[str, Any]:
        return {"pending": self.pending}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.pending = bool(state_dict["pending"])

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        with activity("preparing the evaluation"):
            self.scoring.prepare(pl_module.model, _data(trainer), trainer.strategy.root_device)
        self.floor = self.scoring.floor("validation")
        if self.headline is not None:
            pl_module.headline = self._checked(self.headline)
        elif (
            self.scoring.quality is not None and type(pl_module).headline == Game.headline
        ):  # a variant may name another
            pl_module.headline = self.scoring.quality.headline
        else:
            pl_module.headline = self.scoring.named(type(pl_module).headline)

    def _checked(self, headline: str) -> str:
        named = self.scoring.named(headline)
        if named != headline:
            raise UserError(
                f"callbacks.evaluation.headline={headline}: {headline} is of Inception's features, and this run "
                f"measures {named}. Say callbacks.evaluation.headline={named}, or metrics=inception."
            )
        return headline

    def facts(self) -> dict[str, Any]:
        """Return the protocol of the scores: extractor, sample count, reference and floor."""
        facts = self.scoring.facts()
        return facts | {"floor": self.floor} if self.scoring.quality is not None or self.floor else facts

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        pl_module.scores.rename(earlier(self.scoring.suffix))
        known = pl_module.scores.state_dict()  # of earlier sittings
        show_callbacks(trainer, {f"{EVAL}{name}": score["last"] for name, score in known.items()})
        if self.pending:
            self._validate(trainer, pl_module)

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        if due(pl_module, self.every):
            self._validate(trainer, pl_module)

    def _validate(self, trainer: pl.Trainer, game: pl.LightningModule) -> None:
        """Measure and report, or leave that to the next start if the run is asked to stop."""
        assert isinstance(game, Game)
        game.verify_losses()  # a run that diverged is not measured
        self.pending = True
        try:
            with abandonable(game.device), activity("evaluation"):
                evidence = self._measure(trainer, game.evaluated_model(), "validation")
        except StopRequested:
            game.invalidate_evaluated()
            trainer.should_stop = True
            return
        self.pending = False
        if not evidence.scores:
            return
        found = evidence.scores
        ranked = {name: value for name, value in found.items() if name in METRICS}  # without errors and deviations
        errors = {name: found[f"{name}{ERROR}"] for name in ranked if f"{name}{ERROR}" in found}
        game.scores.record(ranked, game.iteration, errors)
        values = {f"{EVAL}{name}": value for name, value in found.items()}
        if game.headline in self.floor:
            values[f"{EVAL}{game.headline}_floor"] = self.floor[game.headline]
        for logger in trainer.loggers:
            logger.log_metrics(values | spent(trainer, game), step=game.iteration)
        show_callbacks(trainer, values)
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        for callback in callbacks:
            if isinstance(callback, EvaluationListener):
                callback.on_evaluation(trainer, game, evidence)
        for callback in callbacks:  # Lightning's own, such as EarlyStopping: an evaluation is the run's validation
            if _can_monitor(callback, trainer, game):
                callback.on_validation_end(trainer, game)

    def _measure(self, trainer: pl.Trainer, model: nn.Module, split: SplitName) -> Evidence:
        return self.scoring(model, _data(trainer), split)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Game)
        if pl_module.iteration < pl_module.iterations or stopping():
            return
        try:
            with abandonable(pl_module.device), activity("test"):
                self.test = self._tested(trainer, pl_module)
        except StopRequested:
            trainer.should_stop = True
            return
        facts = {f"{TEST}{name}.{of}": value for of, found in self.test.items() for name, value in found.items()}
        tell_summary(trainer, facts)

    def _tested(self, trainer: pl.Trainer, game: Game) -> dict[str, dict[str, float]]:
        """Scores on the test split, by source: floor, last, best, and the baseline models."""
        found: dict[str, dict[str, float]] = {}
        if floor := self.scoring.floor("test"):
            found["floor"] = floor
        with activity("last iteration"):
            found["last"] = self._measure(trainer, game.evaluated_model(), "test").scores
        best = Path(trainer.default_root_dir) / "checkpoints" / "best.ckpt"
        trainer.strategy.barrier()
        if game.scores.is_best(game.headline, game.iteration):
            found["best"] = dict(found["last"])
        elif best.is_file():
            try:
                model = _evaluated_weights(best, game)
            except DamagedCheckpoint as error:
                log.warning("The best checkpoint is not measured on the test split: %s", error)
            else:
                with activity("best checkpoint"):
                    found["best"] = self._measure(trainer, model, "test").scores
        for name, model in game.baselines(_data(trainer)).items():
            with activity(name):
                found[name] = self._measure(trainer, model, "test").scores
        return found


def _can_monitor(callback: pl.Callback, trainer: pl.Trainer, game: Game) -> bool:
    """Return True if the metric or loss that a callback monitors is available, or if it monitors none.

    Raises:
        UserError: there is no such metric or loss.
    """
    name, known = getattr(callback, "monitor", None), trainer.callback_metrics
    if not isinstance(name, str) or name in known or name in ("epoch", "step"):
        return True
    if not game.latest:
        return False
    near = [other for other in known if other.rpartition("/")[2] == name] or get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UserError(
        f"{type(callback).__name__} monitors {name}, which this run does not measure. {hint}There are "
        f"{', '.join(sorted(known))}."
    )


def _data(trainer: pl.Trainer) -> Data | None:
    data: Data | None = getattr(trainer, "datamodule", None)
    return data


def _evaluated_weights(checkpoint: Path, game: Game) -> nn.Module:
    """Load the averaged model of a checkpoint into the game's own copy (training is over)."""
    state = load(checkpoint)["state_dict"]
    prefix = "ema.model."
    game.ema.model.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    game.invalidate_evaluated()
    return game.ema.model
