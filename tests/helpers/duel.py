"""A game of two numbers, whose every step can be checked by hand."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.game import Game
from lightning_gans.core.phase import Phase, PlayerSettings, Stage, Training, Update
from tests.helpers.play import play

RATE = 0.1


class Numbers(nn.Module):
    def __init__(self, x: float, y: float) -> None:
        super().__init__()
        self.x, self.y = (nn.Parameter(torch.tensor(value)) for value in (x, y))


class Duel(Game):
    """X descends x y and Y descends -x y + y^2 / 2, in the phases or stages that a test gives.

    Attributes:
        log: every optimizer step's player, in order.
    """

    def __init__(
        self,
        plan: Callable[["Duel"], Sequence[Phase | Update | Stage]],
        *,
        iterations: int = 1,
        x: float = 1.0,
        y: float = 2.0,
        settings: Mapping[str, PlayerSettings] | None = None,
        **training: Any,
    ) -> None:
        self.log: list[str] = []
        players = {player: self.descent(player) for player in "XY"} | dict(settings or {})
        super().__init__(
            model=Numbers(x, y), training=Training(iterations=iterations, batch_size=4, players=players, **training)
        )
        self.plan = plan

    def descent(self, player: str, *, rate: float = RATE, **settings: Any) -> PlayerSettings:
        """Plain gradient descent that writes itself down in the log."""
        return PlayerSettings(optimizer=partial(_Logged, lr=rate, log=self.log, player=player), **settings)

    def players(self) -> Mapping[str, Sequence[nn.Parameter]]:
        return {"X": [self.model.x], "Y": [self.model.y]}

    def stages(self) -> Sequence[Stage]:
        plan = self.plan(self)
        return plan if isinstance(plan[0], Stage) else [Stage(plan)]

    @property
    def at(self) -> tuple[float, float]:
        return self.model.x.item(), self.model.y.item()

    def x_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        return {"loss": self.model.x * self.model.y}

    def y_loss(self, batch: SampleBatch) -> dict[str, Tensor]:
        return {"game": -self.model.x * self.model.y, "brake": self.model.y**2 / 2}


class _Logged(torch.optim.SGD):
    def __init__(self, parameters: Any, *, lr: float, log: list[str], player: str) -> None:
        super().__init__(parameters, lr=lr)
        self.log, self.player = log, player

    def step(self, closure: Any = None) -> Any:
        self.log.append(self.player)
        return super().step(closure)


def batches(n: int) -> list[SampleBatch]:
    """n batches of four points on the line."""
    return [SampleBatch(torch.arange(4.0)[:, None] + i) for i in range(n)]


def in_turn(game: Duel) -> list[Phase]:
    return [Phase("X", game.x_loss), Phase("Y", game.y_loss)]


def at_once(game: Duel) -> list[Update]:
    return [(Phase("X", game.x_loss), Phase("Y", game.y_loss))]


def played(game: Duel, folder: Path, *callbacks: Any, n: int | None = None, **options: Any) -> Duel:
    """The game after its iterations, or on n batches."""
    return play(game, batches(n or game.iterations), folder, *callbacks, **options)
