"""The order of things in an iteration, checked by hand on a game of two numbers."""

import pytest

from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import Phase, PlayerSettings
from tests.helpers.duel import RATE, Duel, at_once, in_turn, played
from tests.helpers.play import StopAfter, Watch


def every_third(game):
    return [Phase("X", game.x_loss), Phase("Y", game.y_loss, every=3)]


def test_phases_in_turn_see_what_the_ones_before_them_did(tmp_path):
    game = played(Duel(in_turn), tmp_path)
    x = 1.0 - RATE * 2.0
    assert game.at == pytest.approx((x, 2.0 - RATE * (-x + 2.0)), rel=1e-6)
    assert game.log == ["X", "Y"]


def test_players_of_a_tuple_move_from_the_same_place(tmp_path):
    game = played(Duel(at_once), tmp_path)
    assert game.at == pytest.approx((1.0 - RATE * 2.0, 2.0 - RATE * (-1.0 + 2.0)), rel=1e-6)
    game = played(Duel(at_once, iterations=2), tmp_path)
    assert game.at == pytest.approx((0.8 - RATE * 1.9, 1.9 - RATE * (-0.8 + 1.9)), rel=1e-6)


def test_every_counts_iterations(tmp_path):
    game = played(Duel(every_third, iterations=7), tmp_path)
    assert "".join(game.log) == "XXXYXXXYX"


def test_every_goes_on_across_a_resume(tmp_path):
    straight = played(Duel(every_third, iterations=8), tmp_path)
    path = tmp_path / "a.ckpt"
    first = played(Duel(every_third, iterations=8), tmp_path, StopAfter(4, path), n=8)
    assert "".join(first.log) == "XXXYX"
    second = played(Duel(every_third, iterations=8, x=9.0, y=9.0), tmp_path, n=8, checkpoint=path)
    assert "".join(second.log) == "XXYXX"
    assert second.iteration == 8
    assert second.at == straight.at


def test_a_frozen_player_never_moves(tmp_path):
    game = Duel(in_turn, iterations=3, settings={"Y": PlayerSettings(optimizer=None)})
    played(game, tmp_path)
    assert game.at == (pytest.approx(1.0 - 3 * RATE * 2.0), 2.0)
    assert game.log == ["X"] * 3
    assert "Y/game" not in game.read_losses()


def test_a_game_in_which_no_one_can_move_is_refused(tmp_path):
    frozen = PlayerSettings(optimizer=None)
    with pytest.raises(UserError, match="Duel: no player can move"):
        played(Duel(in_turn, settings={"X": frozen, "Y": frozen}), tmp_path)


def test_only_the_mover_takes_gradients(tmp_path):
    seen = []

    def plan(game):
        def look(batch):
            seen.append((game.model.x.requires_grad, game.model.y.requires_grad))
            return game.x_loss(batch) if len(seen) == 1 else game.y_loss(batch)

        return [Phase("X", look), Phase("Y", look)]

    game = played(Duel(plan), tmp_path)
    assert seen == [(True, False), (False, True)]
    assert game.model.x.requires_grad  # and it leaves them as it found them
    assert game.model.y.requires_grad


def test_a_game_can_be_played_again(tmp_path):
    game = played(Duel(in_turn), tmp_path)
    before = game.at
    game.iteration = 0
    played(game, tmp_path)
    assert all(now != then for now, then in zip(game.at, before, strict=True))

    def fail(trainer, game):
        raise KeyError

    game.iteration = 0
    with pytest.raises(KeyError):
        played(game, tmp_path, Watch(fail))
    game.iteration, game.log[:] = 0, []
    assert played(game, tmp_path).log == ["X", "Y"]


def test_what_comes_after_a_step_and_what_decides_about_it(tmp_path):
    def plan(game):
        return [
            Phase("X", game.x_loss, active=lambda: game.iteration != 1),
            Phase("Y", game.y_loss, after=lambda: game.model.y.data.clamp_(max=1.5)),
        ]

    game = played(Duel(plan, iterations=3), tmp_path)
    assert "".join(game.log) == "XYYXY"
    assert game.at[1] <= 1.5
    assert played(Duel(in_turn, iterations=3), tmp_path).at[1] > 1.5


def test_a_gated_phase_may_sit_out(tmp_path):
    def plan(game):
        def gated(batch):
            return None if game.iteration == 1 else game.y_loss(batch)

        return [(Phase("X", game.x_loss), Phase("Y", gated, gated=True))]

    assert "".join(played(Duel(plan, iterations=3), tmp_path).log) == "XYXXY"


@pytest.mark.parametrize("terms", [None, {}])
def test_a_phase_that_is_not_gated_has_to_answer(tmp_path, terms):
    with pytest.raises(TypeError, match="loss of player X gave"):
        played(Duel(lambda game: [Phase("X", lambda batch: terms)]), tmp_path)


# Counting


def test_lightnings_step_is_the_iteration(tmp_path):
    watch = Watch(lambda trainer, game: (trainer.global_step, game.iteration, game.images))
    played(Duel(every_third, iterations=5), tmp_path, watch)
    assert watch.seen == [(i, i, 4 * i) for i in range(1, 6)]


def test_lightnings_step_is_the_iteration_after_a_resume(tmp_path):
    path = tmp_path / "a.ckpt"
    played(Duel(in_turn, iterations=5), tmp_path, StopAfter(2, path))
    watch = Watch(lambda trainer, game: (trainer.global_step, game.iteration))
    played(Duel(in_turn, iterations=5), tmp_path, watch, checkpoint=path)
    assert watch.seen == [(3, 3), (4, 4), (5, 5)]
