"""Stages, and schedules within them."""

import warnings

import pytest
from torch.optim.lr_scheduler import LambdaLR

from lightning_gans.core.phase import Phase, Stage
from tests.helpers.duel import RATE, Duel, in_turn, played
from tests.helpers.play import StopAfter, Watch


def two_stages(game):
    calm = {"X": game.descent("x", rate=0.01)}
    return [
        Stage([Phase("X", game.x_loss)], name="start", share=1, players=calm),
        Stage(in_turn(game), name="game", share=3),
    ]


@pytest.mark.parametrize("iterations, start", [(12, 3), (100, 25), (2, 0), (4, 1)])
def test_stages_have_their_shares_whatever_the_budget(tmp_path, iterations, start):
    game = played(Duel(two_stages, iterations=iterations), tmp_path)
    assert "".join(game.log) == "x" * start + "XY" * (iterations - start)
    assert game.stage_batches() == [("train", start), ("train", iterations)]


def test_a_stage_has_settings_and_optimizers_of_its_own(tmp_path):
    game = Duel(two_stages, iterations=4)
    watch = Watch(lambda trainer, game: (game.at[0], game.learning_rates()))
    played(game, tmp_path, watch)
    assert watch.seen[0] == (pytest.approx(1.0 - 0.01 * 2.0), {"X": 0.01})
    assert watch.seen[1] == (pytest.approx(0.98 - RATE * 2.0), {"X": RATE, "Y": RATE})


def test_a_resume_finds_its_stage(tmp_path):
    straight = played(Duel(two_stages, iterations=12), tmp_path)
    path = tmp_path / "a.ckpt"
    for stop in (2, 3, 7):
        played(Duel(two_stages, iterations=12), tmp_path, StopAfter(stop, path), n=12)
        again = played(Duel(two_stages, iterations=12), tmp_path, n=12, checkpoint=path)
        assert again.at == straight.at
        assert "".join(again.log) == "x" * max(3 - stop, 0) + "XY" * min(12 - stop, 9)


def scheduled(game):
    falling = game.descent("X", schedule=lambda optimizer: LambdaLR(optimizer, lambda step: 0.5**step))
    game.training_settings.players["X"] = falling
    return [Phase("X", game.x_loss, every=2), Phase("Y", game.y_loss)]


def test_a_schedule_steps_once_an_iteration(tmp_path):
    watch = Watch(lambda trainer, game: game.learning_rates())
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=r".*lr_scheduler\.step")
        played(Duel(scheduled, iterations=4), tmp_path, watch)
    assert [rates["X"] for rates in watch.seen] == pytest.approx([RATE * 0.5**i for i in (1, 2, 3, 4)])
    assert [rates["Y"] for rates in watch.seen] == [RATE] * 4


def test_a_schedule_goes_on_across_a_resume(tmp_path):
    straight = played(Duel(scheduled, iterations=6), tmp_path)
    path = tmp_path / "a.ckpt"
    played(Duel(scheduled, iterations=6), tmp_path, StopAfter(3, path))
    watch = Watch(lambda trainer, game: game.learning_rates()["X"])
    again = played(Duel(scheduled, iterations=6), tmp_path, watch, checkpoint=path)
    assert watch.seen == pytest.approx([RATE * 0.5**i for i in (4, 5, 6)])
    assert again.at == straight.at


def test_a_schedule_begins_with_its_stage(tmp_path):
    def plan(game):
        falling = game.descent("X", schedule=lambda optimizer: LambdaLR(optimizer, lambda step: 0.5**step))
        return [Stage([Phase("X", game.x_loss)], share=1), Stage(in_turn(game), share=1, players={"X": falling})]

    watch = Watch(lambda trainer, game: game.learning_rates()["X"])
    played(Duel(plan, iterations=4), tmp_path, watch)
    assert watch.seen == pytest.approx([RATE, RATE, RATE / 2, RATE / 4])
