"""Phases, simultaneous updates and stages of training, and the optimizer settings of each player."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gans.core.errors import UserError
from lightning_gans.settings import Count, Positive, Seed

Loss = Callable[[Any], Mapping[str, Tensor] | None]


def always() -> bool:
    return True


class Phase(NamedTuple):
    """Phase of an iteration: the player whose parameters move, and the loss that it descends.

    player: a key of the game's `players()`, in the paper's letters.
    loss: batch -> loss terms by name; their sum is descended. None: the phase is skipped in this iteration (only if
        `gated`, so that the ranks agree on it).
    every: run the phase in every k-th iteration.
    opens: run it in the first of each k iterations instead of the last.
    after: run after the player's step (weight clipping, projections).
    active: called once an iteration, before the forward pass; must return the same on every rank.
    over: "mean", the loss is a mean over the batch; "gathered", it is a function of the whole batch and gathers it
        (Game.gather); "per_rank", it is a function of whatever part of the batch one forward pass sees, declared so.
    gated: the loss may return None, and the ranks agree on it; not with accumulate > 1, where each micro-batch would
        decide by itself.
    """

    player: str
    loss: Loss
    every: int = 1
    after: Callable[[], None] | None = None
    active: Callable[[], bool] = always
    over: Literal["mean", "gathered", "per_rank"] = "mean"
    gated: bool = False
    opens: bool = False


Update = tuple[Phase, ...]


class Stage(NamedTuple):
    """Stage of a run with its own phases: pre-training, then the game.

    phases: phases, or tuples of phases that make one simultaneous update.
    share: of the run's iterations; shares are relative to their sum.
    players: how players are optimised here, where it differs from the run's settings.
    batches: which of the data module's training streams feeds it.
    """

    phases: Sequence[Phase | Update]
    name: str = "game"
    share: float = 1.0
    players: Mapping[str, "PlayerSettings"] | None = None
    batches: str = "train"

    @property
    def updates(self) -> tuple[Update, ...]:
        return tuple((phase,) if isinstance(phase, Phase) else tuple(phase) for phase in self.phases)


@dataclass(frozen=True, kw_only=True)
class PlayerSettings:
    """Optimizer, learning-rate schedule and gradient clipping of one player.

    Args:
        optimizer: parameters -> optimizer; None freezes the player and skips its phases.
        schedule: optimizer -> learning-rate scheduler, stepped once an iteration.
        clip_norm: largest total L2 norm of the gradients, which are scaled down to it; None: no clipping.
    """

    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer] | None
    schedule: Callable[[Optimizer], LRScheduler] | None = None
    clip_norm: Positive | None = None

    def __post_init__(self) -> None:
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise UserError(f"clip_norm={self.clip_norm}: must be above 0, or null for gradients as they are.")


@dataclass(frozen=True, kw_only=True)
class Training:
    """Training settings of any game: budget, batch size, optimizers of the players, seed and EMA.

    Args:
        iterations: the run's budget in training batches, all stages together.
        batch_size: global batch size; only counts images, the data module makes the batches.
        players: settings of each player, by the names of the game's `players()`.
        seed: seed of all random numbers in training.
        ema_half_life: half-life in images of the averaged weights that are evaluated; None evaluates the newest
            weights.
        accumulate: micro-batches per step of a phase, on each process.
    """

    iterations: Count
    batch_size: Count
    players: Mapping[str, PlayerSettings]
    seed: Seed = 0
    ema_half_life: Positive | None = None
    accumulate: Count = 1

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "accumulate"):
            if (value := getattr(self, name)) < 1:
                raise UserError(f"{name}={value}: must be at least 1.")
        if self.ema_half_life is not None and self.ema_half_life <= 0:
            raise UserError(f"ema_half_life={self.ema_half_life}: must be above 0 images, or null for no average.")
