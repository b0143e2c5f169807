"""The order of things in an iteration, checked by hand on a game of two numbers."""

import warnings

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from lightning_gans.core.errors import Diverged, UserError
from lightning_gans.core.game import shared
from lightning_gans.core.phase import Phase, PlayerSettings, Stage
from lightning_gans.core.prior import Normal
from tests.helpers.duel import RATE, Duel, batches
from tests.helpers.play import StopAfter, Watch, play


def in_turn(game):
    return [Phase("X", game.x_loss), Phase("Y", game.y_loss)]


def at_once(game):
    return [(Phase("X", game.x_loss), Phase("Y", game.y_loss))]


def every_third(game):
    return [Phase("X", game.x_loss), Phase("Y", game.y_loss, every=3)]


def played(game, folder, *callbacks, n=None, **options):
    return play(game, batches(n or game.iterations), folder, *callbacks, **options)


# Who moves, and from where


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


# One forward pass for all


class Sharing(Duel):
    """X and Y read the same noise from one forward pass; each then draws some of its own."""

    def __init__(self, plan, **settings):
        super().__init__(plan, **settings)
        self.passes, self.seen = [], []

    @shared
    def forward_both(self, batch, *, scale=1.0):
        self.passes.append(scale)
        return scale * self.model.x * self.model.y, self.noise(Normal(dim=1), len(batch.x))

    def a_loss(self, batch):
        product, noise = self.forward_both(batch)
        self.seen.append((product, noise, self.noise(Normal(dim=1), len(batch.x))))
        sign = 1 if len(self.seen) % 2 else -1
        return {"loss": sign * product}


def test_a_shared_pass_runs_once_for_a_tuple(tmp_path):
    game = Sharing(lambda game: [(Phase("X", game.a_loss), Phase("Y", game.a_loss))])
    played(game, tmp_path)
    assert game.passes == [1.0]
    (one, noise, extra), (two, same_noise, same_extra) = game.seen
    assert one is two
    assert noise is same_noise
    assert torch.equal(extra, same_extra)
    assert not torch.equal(extra, noise)  # drawn after the pass, in the second phase as well
    assert game.at == pytest.approx((1.0 - RATE * 2.0, 2.0 + RATE * 1.0))


def test_a_shared_pass_runs_in_every_phase_that_moves_alone(tmp_path):
    game = Sharing(lambda game: [Phase("X", game.a_loss), Phase("Y", game.a_loss)])
    played(game, tmp_path)
    assert game.passes == [1.0, 1.0]
    assert not torch.equal(game.seen[0][1], game.seen[1][1])  # noise of its own
    game = Sharing(lambda game: [(Phase("X", game.a_loss), Phase("Y", game.a_loss))], iterations=2)
    played(game, tmp_path)
    assert game.passes == [1.0, 1.0]  # and again in the next iteration


def test_a_shared_pass_is_told_apart_by_its_arguments(tmp_path):
    def plan(game):
        def loss(batch):
            return {"loss": game.forward_both(batch)[0] + game.forward_both(batch, scale=-3.0)[0]}

        return [(Phase("X", loss), Phase("Y", loss))]

    game = Sharing(plan)
    played(game, tmp_path)
    assert game.passes == [1.0, -3.0]
    assert game.at == pytest.approx((1.0 + 2 * RATE * 2.0, 2.0 + 2 * RATE * 1.0))


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


# Stages and schedules


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


# Gradients


class Vectors(Duel):
    """X is a vector a and the matrix of a layer: its gradient norm is over both."""

    def __init__(self, plan, **settings):
        super().__init__(plan, **settings)
        self.layer = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[3.0, -1.0]]))

    def players(self):
        return {"X": [self.model.x, self.layer], "Y": [self.model.y]}

    def loss(self, batch):
        return {"square": self.model.x**2, "layer": (self.layer.weight**2).sum() / 2}


NORM = (2.0**2 + 3.0**2 + 1.0**2) ** 0.5  # of (2 x, weight) at x = 1


def only_x(game):
    return [Phase("X", game.loss)]


@pytest.mark.parametrize("clip_norm, scale", [(None, 1.0), (100.0, 1.0), (0.5, 0.5 / NORM), (1e-3, 1e-3 / NORM)])
def test_gradients_are_measured_whole_and_then_clipped(tmp_path, clip_norm, scale):
    game = Vectors(only_x)
    game.training_settings.players["X"] = game.descent("X", clip_norm=clip_norm)
    before = torch.tensor([1.0, 3.0, -1.0])
    played(game, tmp_path)
    after = torch.cat([game.model.x.detach()[None], game.layer.weight.detach()[0]])
    gradient = torch.tensor([2.0, 3.0, -1.0])
    torch.testing.assert_close((before - after) / RATE, scale * gradient, rtol=1e-3, atol=1e-5)
    if clip_norm == 0.5:
        assert ((before - after) / RATE).norm().item() == pytest.approx(0.5, rel=1e-5)
    assert game.read_losses()["X/gradient_norm"] == pytest.approx(NORM, rel=1e-6)


def test_terms_are_logged_by_name_and_their_sum_is_descended(tmp_path):
    watch = Watch(lambda trainer, game: dict(game.read_losses()))
    played(Duel(in_turn, iterations=2), tmp_path, watch)
    first, second = watch.seen
    assert first["X/loss"] == pytest.approx(2.0)
    assert first["X/gradient_norm"] == pytest.approx(2.0)
    assert first["Y/game"] == pytest.approx(-0.8 * 2.0)
    assert first["Y/brake"] == pytest.approx(2.0)
    assert first["Y/loss"] == pytest.approx(-1.6 + 2.0)
    assert first["Y/gradient_norm"] == pytest.approx(abs(-0.8 + 2.0))
    assert set(first) == {"X/loss", "X/gradient_norm", "Y/game", "Y/brake", "Y/loss", "Y/gradient_norm"}
    assert second["X/loss"] == pytest.approx(0.8 * 1.88)


def test_readings_are_means_since_the_last_one(tmp_path):
    game = played(Duel(in_turn, iterations=2), tmp_path)
    assert game.read_losses()["X/loss"] == pytest.approx((2.0 + 0.8 * 1.88) / 2)


def test_monitored_values_are_means_too(tmp_path):
    def plan(game):
        def loss(batch):
            game.monitor("X/seen", batch.x.mean())
            return game.x_loss(batch)

        return [Phase("X", loss)]

    game = played(Duel(plan, iterations=3), tmp_path)
    assert game.read_losses()["X/seen"] == pytest.approx((1.5 + 2.5 + 3.5) / 3)


def going_wrong(where):
    def plan(game):
        def loss(batch):
            y = game.model.y
            if game.iteration != 2:
                return {"loss": y**2}
            if where == "loss":
                return {"loss": y**2 + torch.tensor(float("nan"))}
            return {"loss": (y - y.detach()).abs().sqrt() + y}  # 0, and of infinite slope

        return [Phase("X", game.x_loss), Phase("Y", loss)]

    return plan


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_run_that_diverged_names_player_and_iteration(tmp_path, where):
    game = played(Duel(going_wrong(where), iterations=5), tmp_path)
    with pytest.raises(Diverged, match="player Y became NaN or infinite at iteration 3"):
        game.read_losses()


# Set-ups that are refused


def test_settings_of_a_player_who_is_not_there_are_refused(tmp_path):
    settings = {"Z": PlayerSettings(optimizer=None), "Q": PlayerSettings(optimizer=None)}
    with pytest.raises(UserError, match="Duel has no player Q, Z; its players are X, Y"):
        played(Duel(in_turn, settings=settings), tmp_path)


def test_a_player_without_settings_is_refused(tmp_path):
    game = Duel(in_turn)
    del game.training_settings.players["Y"]
    with pytest.raises(UserError, match=r"Stage 'game'.*no settings for player Y"):
        played(game, tmp_path)


def test_players_that_overlap_and_parameters_of_no_one_are_refused(tmp_path):
    game = Duel(in_turn)
    game.players = lambda: {"X": [game.model.x, game.model.y], "Y": [game.model.y]}
    with pytest.raises(UserError, match=r"model\.y \(X and Y\)"):
        played(game, tmp_path)
    game.players = lambda: {"X": [game.model.x], "Y": []}
    with pytest.raises(UserError, match=r"no player owns model\.y"):
        played(game, tmp_path)


@pytest.mark.parametrize(
    "plan, message",
    [
        (lambda game: [Phase("X", game.x_loss, every=0)], r"Player X .*k=0"),
        (lambda game: [(Phase("X", game.x_loss), Phase("X", game.y_loss))], "X would move twice"),
        (lambda game: [Stage(in_turn(game), share=0.0)], "share of 0.0"),
    ],
)
def test_phases_that_make_no_sense_are_refused(tmp_path, plan, message):
    with pytest.raises(UserError, match=message):
        played(Duel(plan), tmp_path)


@pytest.mark.parametrize("change", [{"over": "gathered"}, {"over": "per_rank"}, {"gated": True}])
def test_a_loss_over_the_whole_batch_is_not_accumulated(tmp_path, change):
    def plan(game):
        return [Phase("X", game.x_loss)._replace(**change)]

    played(Duel(plan), tmp_path)
    with pytest.raises(UserError, match="accumulate=2: the loss of player X is"):
        played(Duel(plan, accumulate=2), tmp_path)


def test_a_batch_that_micro_batches_cannot_divide_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"accumulate=3.*4 samples"):
        played(Duel(in_turn, accumulate=3), tmp_path)


def test_a_precision_that_scales_losses_is_refused(tmp_path):
    scaled = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu"))
    with pytest.raises(UserError, match=r"precision=16-mixed.*bf16-mixed"):
        played(Duel(in_turn), tmp_path, plugins=[scaled])
    played(Duel(in_turn), tmp_path, precision="bf16-mixed")


@pytest.mark.parametrize("strategy", ["ddp", "ddp_find_unused_parameters_true", "fsdp"])
def test_a_strategy_that_wraps_the_game_is_refused(strategy):
    from lightning_gans.core.checks import check_trainer

    if strategy == "fsdp":
        from pytorch_lightning.strategies import FSDPStrategy

        trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
        trainer._accelerator_connector.strategy = FSDPStrategy()
    else:
        trainer = pl.Trainer(accelerator="cpu", devices=2, strategy=strategy, logger=False, enable_checkpointing=False)
    with pytest.raises(UserError, match=r"trainer\.strategy: \w+Strategy wraps.*trainer=ddp"):
        check_trainer(trainer)
