"""Check that every trainable parameter belongs to exactly one player."""

from collections.abc import Mapping, Sequence

from torch import nn

from lightning_gans.core.errors import UserError


def own(game: nn.Module, players: Mapping[str, Sequence[nn.Module | nn.Parameter]]) -> dict[str, list[nn.Parameter]]:
    """Return each player's trainable parameters.

    Raises:
        UserError: players share a parameter, or a trainable parameter of the game belongs to none; with their names.
    """
    names = {id(parameter): name for name, parameter in game.named_parameters()}
    owner: dict[int, str] = {}
    owned: dict[str, list[nn.Parameter]] = {}
    shared: list[str] = []
    for player, parts in players.items():
        owned[player] = []
        for parameter in _parameters(parts):
            holder = owner.setdefault(id(parameter), player)
            if holder != player:
                shared.append(f"{names.get(id(parameter), '?')} ({holder} and {player})")
            elif parameter.requires_grad and all(parameter is not mine for mine in owned[player]):
                owned[player].append(parameter)
    if shared:
        raise UserError(
            f"{type(game).__name__}: players share parameters: {', '.join(shared)}. A parameter belongs to one player."
        )
    orphans = [name for name, p in game.named_parameters() if p.requires_grad and id(p) not in owner]
    if orphans:
        raise UserError(
            f"{type(game).__name__}: no player owns {', '.join(orphans)}. Name their module in players(), "
            "or set requires_grad to False where they are constants."
        )
    return owned


def _parameters(parts: Sequence[nn.Module | nn.Parameter]) -> list[nn.Parameter]:
    found: list[nn.Parameter] = []
    for part in parts:
        found += [part] if isinstance(part, nn.Parameter) else list(part.parameters())
    return found
