"""Gradient exchange of an iteration: the moving players' gradients, once a phase, and no others'."""

import pytest

from lightning_gans.core import game as games
from tests.helpers.composed import VARIANTS, composed, data_of, game_of
from tests.helpers.play import play


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_moving_players_gradients_are_exchanged_and_no_others(variant, tmp_path, monkeypatch):
    config = composed(variant, iterations=4)
    game = game_of(config)
    exchanged, expected = [], []
    average, update = games.average_gradients, game._update

    def count(gradients):
        exchanged.append(sum(gradient.nbytes for gradient in gradients))
        average(gradients)

    def moved(number, moving, *rest):
        players = game.players()
        own = {
            phase.player: sum({p: p.nbytes for part in players[phase.player] for p in parameters(part)}.values())
            for phase in moving
        }
        expected.extend(own.values())
        update(number, moving, *rest)

    monkeypatch.setattr(games, "average_gradients", count)
    monkeypatch.setattr(game, "_update", moved)
    play(game, data_of(config), tmp_path)
    assert expected
    assert exchanged == expected


def parameters(part):
    return part.parameters() if hasattr(part, "parameters") else [part]
