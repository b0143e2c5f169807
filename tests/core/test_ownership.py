import re

import pytest
from torch import nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.ownership import own


class Board(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = nn.Linear(2, 3)
        self.discriminator = nn.Linear(3, 1)
        self.scale = nn.Parameter(nn.Linear(1, 1).weight.detach())


def test_each_player_has_its_own():
    board = Board()
    owned = own(board, {"D": [board.discriminator, board.scale], "G": [board.generator]})
    assert {player: [tuple(p.shape) for p in parameters] for player, parameters in owned.items()} == {
        "D": [(1, 3), (1,), (1, 1)],
        "G": [(3, 2), (3,)],
    }
    assert owned["D"][0] is board.discriminator.weight


def test_a_parameter_of_two_players_is_refused_by_name():
    board = Board()
    players = {"D": [board.discriminator, board.generator], "G": [board.generator], "S": [board.scale]}
    with pytest.raises(
        UserError, match=r"Board: .*generator\.weight \(D and G\), generator\.bias \(D and G\)"
    ) as error:
        own(board, players)
    assert "discriminator" not in str(error.value)


def test_weights_tied_across_players_are_refused():
    board = Board()
    board.generator = nn.Linear(3, 1)
    board.generator.weight = board.discriminator.weight
    with pytest.raises(UserError, match=r"\(D and G\)"):
        own(board, {"D": [board.discriminator], "G": [board.generator, board.scale]})


def test_parameters_of_no_player_are_refused_by_name():
    board = Board()
    with pytest.raises(UserError, match=re.escape("no player owns scale, generator.weight, generator.bias")):
        own(board, {"D": [board.discriminator]})


def test_constants_need_no_owner():
    board = Board()
    board.scale.requires_grad_(False)
    board.generator.bias.requires_grad_(False)
    owned = own(board, {"D": [board.discriminator], "G": [board.generator]})
    assert [tuple(p.shape) for p in owned["G"]] == [(3, 2)]


def test_a_parameter_named_twice_by_one_player_counts_once():
    board = Board()
    owned = own(board, {"D": [board, board.generator, board.scale]})
    assert len(owned["D"]) == 5
