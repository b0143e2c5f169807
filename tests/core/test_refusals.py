"""Games and trainers that are refused before anything happens."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision

from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import Phase, PlayerSettings, Stage
from tests.helpers.duel import Duel, in_turn, played


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


def test_weights_of_float16_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"precision=16-true: float16 has no numbers .*bf16-mixed"):
        played(Duel(in_turn), tmp_path, precision="16-true")
    played(Duel(in_turn), tmp_path, precision="bf16-true")


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
