"""Compiled networks (`trainer.compile`): torch.compile in place, so that keys of checkpoints and exports stay."""

import logging
from collections.abc import Sequence

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from lightning_gans.core.errors import UserError
from lightning_gans.core.game import Game

log = logging.getLogger("lightning_gans")


def compile_networks(
    game: Game, players: bool | Sequence[str], *, mode: str | None = None, backend: str = "inductor"
) -> list[nn.Module]:
    """Compile the networks of players; return the compiled ones.

    The averaged copy, which is evaluated and exported, is not compiled. A network that cannot be compiled is left out:
    with a warning if all players were meant, with an error if its player was named.

    Args:
        players: true for all, or their names.
        mode: of torch.compile; `reduce-overhead` and `max-autotune` use CUDA graphs on a GPU. Shapes are static,
            because batches have a fixed size.
        backend: of torch.compile.

    Raises:
        UserError: there is no such player, or one of its networks cannot be compiled.
    """
    if not players:
        return []
    there = game.players()
    named = [] if players is True else list(players)
    if unknown := [name for name in named if name not in there]:
        raise UserError(f"trainer.compile={unknown}: the players of {type(game).__name__} are {', '.join(there)}.")
    compiled = []
    for player, parts in there.items():
        if named and player not in named:
            continue
        for part in parts:
            if not isinstance(part, nn.Module):
                continue
            if why := _why_not(game, player, part):
                if named:
                    raise UserError(f"trainer.compile={player}: {why} Leave {player} out.")
                log.warning("%s of player %s is not compiled: %s", type(part).__name__, player, why)
                continue
            part.compile(backend=backend, mode=mode)
            compiled.append(part)
    return compiled


def _why_not(game: Game, player: str, part: nn.Module) -> str:
    if player == "D" and getattr(game, "penalty", None) is not None:
        return "A gradient penalty differentiates its gradient again, which compiled code does not allow."
    if any(is_parametrized(module) for module in part.modules()):
        return "Spectral normalisation moves its u once a step, and each move would compile it anew."
    return ""
