"""A Trainer as Lightning makes it, without this project's callbacks and plugins."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from datamodules import Ring
from lightning_gans.core import game as module
from lightning_gans.core.errors import Diverged, UserError
from tests.helpers.tiny import BATCH, tiny_game

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


def plain(folder, *callbacks, **options):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    saves = {"enable_checkpointing": bool(callbacks)}
    return pl.Trainer(
        accelerator="cpu", default_root_dir=folder, callbacks=list(callbacks), **quiet, **saves, **options
    )


def test_one_epoch_is_the_run_without_being_told(tmp_path):
    game, trainer = tiny_game(6), plain(tmp_path)
    trainer.fit(game, datamodule=Ring(batch_size=BATCH))
    assert game.iteration == trainer.global_step == 6
    assert trainer.current_epoch == 1


def test_lightnings_own_checkpoints_continue_to_the_same_weights(tmp_path):
    straight = tiny_game(8)
    saved = ModelCheckpoint(dirpath=tmp_path / "saved", every_n_train_steps=3, save_top_k=-1, filename="{step}")
    plain(tmp_path, saved).fit(straight, datamodule=Ring(batch_size=BATCH))
    resumed = tiny_game(8)
    plain(tmp_path).fit(resumed, datamodule=Ring(batch_size=BATCH), ckpt_path=tmp_path / "saved" / "step=3.ckpt")
    assert resumed.iteration == 8
    ours, theirs = straight.state_dict(), resumed.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_batches_of_another_size_than_the_game_counts_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"Training\(batch_size=8\).*Ring gives batches of 32\."):
        plain(tmp_path).fit(tiny_game(2), datamodule=Ring(batch_size=32))


def spoilt(iterations):
    game = tiny_game(iterations)
    with torch.no_grad():
        game.discriminator.layers[1].weight.fill_(float("nan"))
    return game


def test_a_divergence_is_found_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "VERIFY_EVERY", 4)
    game = spoilt(9)
    with pytest.raises(Diverged, match="iteration 1"):
        plain(tmp_path).fit(game, datamodule=Ring(batch_size=BATCH))
    assert game.iteration == 4


def test_a_game_that_diverged_gives_no_samples(tmp_path):
    game = spoilt(3)
    plain(tmp_path).fit(game, datamodule=Ring(batch_size=BATCH))
    with pytest.raises(Diverged, match="iteration 1"):
        game.evaluated_model()
