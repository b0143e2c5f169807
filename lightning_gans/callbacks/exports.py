"""Notifications of loggers about exported generators."""

from pathlib import Path

import pytorch_lightning as pl

from lightning_gans.callbacks.evaluation import Evaluation
from lightning_gans.core.game import Game


def tell_generator(trainer: pl.Trainer, game: Game, folder: Path) -> None:
    """Notify each logger that has `log_generator(folder, iteration, aliases, facts)` of a complete export.

    Facts are the newest value of each metric, the protocol of the evaluation, and the images seen.
    """
    if not trainer.is_global_zero:
        return
    best = game.scores.is_best(game.headline, game.iteration)
    callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    facts = {
        "images": game.images,
        "metrics": {name: score["last"] for name, score in game.scores.state_dict().items()},
        "headline": game.headline,
        "evaluation": next((one.facts() for one in callbacks if isinstance(one, Evaluation)), {}),
    }
    for logger in trainer.loggers:
        tell = getattr(logger, "log_generator", None)
        if callable(tell):
            tell(folder, game.iteration, ["latest", "best"] if best else ["latest"], facts)
