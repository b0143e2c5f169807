"""Evaluations: everything that a model can do is measured, recorded once, and told to who listens."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

from lightning_gans.callbacks.evaluation import Evaluation
from lightning_gans.callbacks.summary import RunSummary
from lightning_gans.callbacks.training_log import TrainingLog
from lightning_gans.core.errors import UserError
from lightning_gans.core.events import Evidence
from lightning_gans.evaluation.scoring import Scoring
from tests.helpers.play import StopAfter, Watch
from tests.helpers.tiny import fit, tiny_game


class Quality:
    """A FID that is best in the middle of the run, or at its end."""

    headline, modes = "fid", None
    extractor = SimpleNamespace(name="none", classes=None)
    reference = SimpleNamespace(statistics=SimpleNamespace(n=1))

    def __init__(self, fids):
        self.fids, self.asked = iter(fids), []

    def count(self, split):
        return 1

    def floor(self, split):
        return {"fid": 0.5}

    def floor_samples(self, split):
        return 1

    def measure(self, model, split="validation"):
        self.asked.append(split)
        fid = next(self.fids) if split == "validation" else float(model.generator.layers[0].weight.sum())
        return Evidence({"fid": fid}, torch.zeros(1, 1), None, torch.zeros(1, 1))


class Listener(pl.Callback):
    """Hears every evaluation, and keeps the best weights."""

    def __init__(self):
        self.heard = []

    def on_evaluation(self, trainer, game, evidence):
        self.heard.append((game.iteration, dict(evidence.scores)))
        if game.scores.is_best("fid", game.iteration):
            trainer.save_checkpoint(f"{trainer.default_root_dir}/checkpoints/best.ckpt")


def run(folder, fids, *, measures=()):
    game, quality, listener = tiny_game(6), Quality(fids), Listener()
    evaluation = Evaluation(every=2, scoring=Scoring(lambda *_: quality, measures))
    fit(game, folder, [evaluation, listener])
    return game, quality, evaluation, listener


def test_measures_join_the_scores(tmp_path):
    asked = []

    def measure(model, data, split):
        asked.append((type(data).__name__, split))
        return {"nll": float(len(asked))}

    game, _, evaluation, listener = run(tmp_path, [3.0, 1.0, 2.0], measures=[measure, lambda *_: {}])
    assert listener.heard == [
        (2, {"fid": 3.0, "nll": 1.0}),
        (4, {"fid": 1.0, "nll": 2.0}),
        (6, {"fid": 2.0, "nll": 3.0}),
    ]
    assert (game.scores["nll"].best, game.scores["nll"].best_iteration) == (1.0, 2)
    assert asked == [("Ring", "validation")] * 3 + [("Ring", "test")] * 2
    assert evaluation.test["last"]["nll"] == 4.0


def test_the_last_and_the_best_are_tested(tmp_path):
    _, quality, evaluation, _ = run(tmp_path, [3.0, 1.0, 2.0])
    assert quality.asked == ["validation"] * 3 + ["test"] * 2
    assert evaluation.test["last"]["fid"] != evaluation.test["best"]["fid"]  # other weights
    assert evaluation.test["floor"] == {"fid": 0.5}


def test_a_last_one_that_is_the_best_is_tested_once(tmp_path):
    _, quality, evaluation, _ = run(tmp_path, [3.0, 2.0, 1.0])
    assert quality.asked == ["validation"] * 3 + ["test"]
    assert evaluation.test["best"] == evaluation.test["last"]


def test_a_games_own_headline_goes_before_that_of_its_samples(tmp_path, monkeypatch):
    game = tiny_game(2)
    monkeypatch.setattr(type(game), "headline", "nll")
    fit(game, tmp_path, [Evaluation(every=2, scoring=Scoring(lambda *_: Quality([1.0]), []))])
    assert game.headline == "nll"


def test_a_chosen_headline_goes_before_any_other(tmp_path, monkeypatch):
    game = tiny_game(2)
    monkeypatch.setattr(type(game), "headline", "nll")
    fit(game, tmp_path, [Evaluation(every=2, scoring=Scoring(lambda *_: Quality([1.0])), headline="kid")])
    assert game.headline == "kid"


def test_a_headline_that_is_no_metric_is_refused():
    with pytest.raises(UserError, match=r"headline=fit: no metric has that name. Did you mean fid"):
        Evaluation(every=2, scoring=Scoring(lambda *_: None), headline="fit")


def test_never_is_refused():
    with pytest.raises(UserError, match="every=0"):
        Evaluation(every=0, scoring=Scoring(lambda *_: None))


def test_a_damaged_best_checkpoint_is_left_out_of_the_test(tmp_path, caplog):
    class Damage(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            (tmp_path / "checkpoints" / "best.ckpt").write_bytes(b"half")

    quality = Quality([3.0, 1.0, 2.0])
    evaluation = Evaluation(every=2, scoring=Scoring(lambda *_: quality, ()))
    fit(tiny_game(6), tmp_path, [Damage(), evaluation, Listener()])
    assert set(evaluation.test) == {"floor", "last"}
    assert "best.ckpt is damaged" in caplog.text


# Callbacks of Lightning


def watched(folder, fids, *, until=12, checkpoint=None):
    """A run of 12 iterations, evaluated in every second one, that stops early and keeps its best two."""
    stop = EarlyStopping(monitor="eval/fid", patience=2, check_on_train_epoch_end=False)
    keep = ModelCheckpoint(
        dirpath=folder / "kept", monitor="eval/fid", save_top_k=2, filename="{step}", save_on_train_epoch_end=False
    )
    game, seen = tiny_game(12), Watch(lambda trainer, _: {**trainer.callback_metrics})
    evaluation = Evaluation(every=2, scoring=Scoring(lambda *_: Quality(fids)))
    log = TrainingLog(every=3)
    fit(
        game,
        folder,
        [log, evaluation, stop, StopAfter(until, folder / f"{until}.ckpt"), seen, keep],
        checkpoint=checkpoint,
    )
    return game, stop, keep, seen.seen


def test_early_stopping_and_model_checkpoints_act_on_scores(tmp_path):
    game, stop, keep, seen = watched(tmp_path, [3.0, 1.0, 2.0, 1.5, 0.1])
    assert game.iteration == 8  # two evaluations after the best
    assert (stop.best_score, stop.wait_count) == (1.0, 2)
    assert keep.best_model_score == 1.0
    assert {path.stem for path in (tmp_path / "kept").iterdir()} == {"step=4", "step=8"}
    assert [values.get("eval/fid") for values in seen] == [None, 3, 3, 1, 1, 2, 2, 1.5]


def test_what_callbacks_monitor_is_the_newest_loss_and_score(tmp_path):
    game, *_, seen = watched(tmp_path, [3.0, 1.0, 2.0, 1.5])
    assert seen[-1].keys() == {f"train/{name}" for name in game.latest} | {"eval/fid", "eval/fid_floor"}
    assert seen[1].keys() == {"eval/fid", "eval/fid_floor"}  # no loss has been read yet
    assert {name: seen[-1][f"train/{name}"] for name in game.latest} == pytest.approx(game.latest)


def test_early_stopping_that_goes_on_equals_straight_through(tmp_path):
    whole, straight, kept, seen = watched(tmp_path / "straight", [3.0, 1.0, 2.0, 1.5])
    watched(tmp_path / "cut", [3.0, 1.0, 2.0], until=7)
    game, stop, keep, rest = watched(tmp_path / "cut", [1.5], checkpoint=tmp_path / "cut" / "7.ckpt")
    assert game.iteration == whole.iteration == 8
    assert rest == seen[7:]
    assert stop.state_dict() == straight.state_dict()
    assert keep.best_model_score == kept.best_model_score


def test_a_monitored_loss_is_waited_for_and_an_unknown_name_is_refused(tmp_path):
    def start(name, folder):
        stop = EarlyStopping(monitor=name, patience=9, check_on_train_epoch_end=False)
        evaluation = Evaluation(every=2, scoring=Scoring(lambda *_: Quality([3.0, 2.0, 1.0])))
        fit(tiny_game(6), folder, [TrainingLog(every=3), evaluation, stop])
        return stop

    assert start("train/D/gradient_norm", tmp_path / "loss").best_score.isfinite()
    with pytest.raises(
        UserError, match=r"EarlyStopping monitors fid, .* mean eval/fid\? There are .*eval/fid, eval/fid_floor"
    ):
        start("fid", tmp_path / "short")
    with pytest.raises(UserError, match=r"EarlyStopping monitors eval/fod, .* mean eval/fid"):
        start("eval/fod", tmp_path / "typo")


def of_a_classifier(fids):
    return Scoring(lambda *_: Quality(fids), context=lambda device: SimpleNamespace(suffix="_classifier"))


def test_a_headline_of_inception_is_refused_where_another_extractor_measures(tmp_path):
    evaluation = Evaluation(every=2, scoring=of_a_classifier([1.0]), headline="fid")
    with pytest.raises(UserError, match=r"headline=fid: .* this run measures fid_classifier\. Say .*=fid_classifier"):
        fit(tiny_game(2), tmp_path, [evaluation])


def test_scores_of_an_earlier_version_go_on_under_their_present_names(tmp_path):
    """A checkpoint and a table of version 0.1, which called every extractor's distance `fid`."""
    save = StopAfter(4, tmp_path / "x.ckpt")
    fit(
        tiny_game(6),
        tmp_path,
        [Evaluation(every=2, scoring=Scoring(lambda *_: Quality([3.0, 1.0]))), RunSummary(), save],
    )
    assert (tmp_path / "metrics.csv").read_text().startswith("iteration,images,seconds,fid\n")
    game = tiny_game(6)
    evaluation = Evaluation(every=100, scoring=of_a_classifier([2.0]))
    fit(game, tmp_path, [evaluation, RunSummary()], checkpoint=tmp_path / "x.ckpt")
    assert game.scores["fid_classifier"].best == 1.0
    assert (tmp_path / "metrics.csv").read_text().startswith("iteration,images,seconds,fid_classifier")
