"""Checks of players, phases and batches before training begins."""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.strategies import ParallelStrategy

from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Stage, Update
from lightning_gans.core.precision import check_precision
from lightning_gans.strategies.player_ddp import PlayerDDPStrategy

Plan = Sequence[tuple[Stage, tuple[Update, ...], Mapping[str, PlayerSettings]]]


def check_trainer(trainer: pl.Trainer) -> None:
    """Refuse a trainer that prevents separate updates of the players.

    Raises:
        UserError: a strategy that wraps the game, or float16.
    """
    strategy = trainer.strategy
    if isinstance(strategy, ParallelStrategy) and not isinstance(strategy, PlayerDDPStrategy):
        raise UserError(
            f"trainer.strategy: {type(strategy).__name__} wraps the whole game and exchanges everybody's gradients at "
            "every backward pass. Players exchange their own: say trainer=ddp, or trainer.strategy=players (in Python, "
            "Trainer(strategy=PlayerDDPStrategy()))."
        )
    check_precision(trainer.precision)


def check_batch_size(trainer: pl.Trainer, batch_size: int) -> None:
    """Refuse a data module of this project whose batch size differs from the game's.

    Raises:
        UserError: names both sizes.
    """
    data: Any = getattr(trainer, "datamodule", None)
    if hasattr(data, "iteration_batches") and data.batch_size != batch_size:
        raise UserError(
            f"Training(batch_size={batch_size}) counts images and averages weights by it, and {type(data).__name__} "
            f"gives batches of {data.batch_size}. Give both the same batch_size."
        )


def check_plan(game: str, plan: Plan, players: Collection[str], *, accumulate: int) -> None:
    """Refuse stages that do not fit the players, or cannot be split into micro-batches.

    Raises:
        UserError: names the game, the player and the setting.
    """
    for stage, updates, settings in plan:
        if stage.share <= 0:
            raise UserError(f"Stage {stage.name!r} of {game} has a share of {stage.share}: it must be above 0.")
        if unknown := settings.keys() - players:
            raise UserError(f"{game} has no player {', '.join(sorted(unknown))}; its players are {', '.join(players)}.")
        for update in updates:
            movers = [phase.player for phase in update]
            if twice := sorted({player for player in movers if movers.count(player) > 1}):
                raise UserError(f"{game}: {', '.join(twice)} would move twice in one simultaneous update.")
        for phase in chain.from_iterable(updates):
            if phase.player not in settings:
                raise UserError(f"Stage {stage.name!r}: no settings for player {phase.player}.")
            if phase.every < 1:
                raise UserError(f"Player {phase.player} moves on every k-th iteration, k={phase.every}: at least 1.")
            if accumulate > 1 and (phase.over != "mean" or phase.gated):
                reason = "is a function of the whole batch, not a mean over it" if phase.over != "mean" else "is gated"
                raise UserError(
                    f"accumulate={accumulate}: the loss of player {phase.player} {reason}, so micro-batches would "
                    "change it. Use accumulate=1."
                )
