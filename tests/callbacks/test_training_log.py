import csv
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import Logger

from lightning_gans.callbacks.training_log import TrainingLog
from lightning_gans.core.errors import Diverged, UserError
from tests.helpers.tiny import BATCH, fit, tiny_game


class Remembers(Logger):
    name = version = "remembers"

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int | None, dict[str, float]] = {}
        self.summary: dict[str, Any] = {}

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None: ...

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        assert step not in self.rows
        self.rows[step] = dict(metrics)

    def log_summary(self, facts: dict[str, Any]) -> None:
        self.summary |= facts


class At(pl.Callback):
    """Does something after one iteration."""

    def __init__(self, iteration: int, act: Any) -> None:
        self.iteration, self.act = iteration, act

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if pl_module.iteration == self.iteration:
            self.act(trainer, pl_module)


def table(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "losses.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_come_at_the_interval_and_at_the_end(tmp_path: Path) -> None:
    memory = Remembers()
    fit(tiny_game(7, learning_rate=0.25), tmp_path, [TrainingLog(every=3)], loggers=[memory])
    rows = table(tmp_path)
    assert [row["iteration"] for row in rows] == ["3", "6", "7"]
    assert [row["images"] for row in rows] == [str(BATCH * n) for n in (3, 6, 7)]
    assert list(rows[0])[:3] == ["iteration", "images", "seconds"]
    assert {"D/real", "D/fake", "D/loss", "D/gradient_norm", "D/learning_rate", "G/loss"} <= rows[0].keys()
    assert list(memory.rows) == [3, 6, 7]
    for row, values in zip(rows, memory.rows.values(), strict=True):
        written = {name: float(row[name.removeprefix("train/")]) for name in values}
        assert written == pytest.approx(values, rel=1e-6, abs=0.05)  # seconds go on between the two
        assert values["train/D/learning_rate"] == values["train/G/learning_rate"] == 0.25
        assert values["train/images_per_second"] == pytest.approx(BATCH * values["train/iterations_per_second"])
        assert 0 < values["train/iterations_per_second"] < 1e5
    assert memory.summary == {"status": "finished"}


def test_a_row_is_the_mean_since_the_row_before(tmp_path: Path) -> None:
    each, together = Remembers(), Remembers()
    fit(tiny_game(4), tmp_path / "a", [TrainingLog(every=1)], loggers=[each])
    fit(tiny_game(4), tmp_path / "b", [TrainingLog(every=2)], loggers=[together])
    for name in ("train/D/loss", "train/G/loss", "train/D/gradient_norm"):
        a, b = each.rows[3][name], each.rows[4][name]
        assert abs(a - b) > 1e-4
        assert together.rows[4][name] == pytest.approx((a + b) / 2, rel=1e-5)


def test_a_resumed_run_leaves_the_table_of_an_uninterrupted_one(tmp_path: Path) -> None:
    def stop(trainer: pl.Trainer, game: Any) -> None:
        trainer.should_stop = True

    save = At(4, lambda trainer, game: trainer.save_checkpoint(tmp_path / "x.ckpt"))
    memory = Remembers()
    fit(tiny_game(8), tmp_path / "whole", [TrainingLog(every=2)])
    fit(tiny_game(8), tmp_path / "cut", [TrainingLog(every=2), save, At(7, stop)], loggers=[memory])
    assert [row["iteration"] for row in table(tmp_path / "cut")] == ["2", "4", "6"]
    assert memory.summary == {"status": "stopped"}
    resumed = TrainingLog(every=2)
    fit(tiny_game(8), tmp_path / "cut", [resumed], checkpoint=tmp_path / "x.ckpt")
    timing = {"seconds", "iterations_per_second", "images_per_second"}
    whole, cut = (
        [{name: value for name, value in row.items() if name not in timing} for row in table(tmp_path / folder)]
        for folder in ("whole", "cut")
    )
    assert cut == whole
    seconds = [float(row["seconds"]) for row in table(tmp_path / "cut")]
    assert seconds == sorted(seconds)


def test_scores_reach_the_summary(tmp_path: Path) -> None:
    memory = Remembers()
    log = TrainingLog(every=100)

    def evaluate(trainer: pl.Trainer, game: Any) -> None:
        game.scores.record({"fid": 5.0, "is": 2.0}, 1)
        game.scores.record({"fid": 7.0, "is": 3.0}, 2)
        log.on_evaluation(trainer, game, None)  # type: ignore[arg-type]
        assert memory.summary["status"] == "running"
        assert memory.summary["eval/fid.best"] == 5.0

    fit(tiny_game(3), tmp_path, [log, At(2, evaluate)], loggers=[memory])
    assert memory.summary == {
        "status": "finished",
        "eval/fid.best": 5.0,
        "eval/fid.best_iteration": 1,
        "eval/is.best": 3.0,
        "eval/is.best_iteration": 2,
    }


def test_divergence_ends_the_run_before_a_row_is_written(tmp_path: Path) -> None:
    def spoil(trainer: pl.Trainer, game: Any) -> None:
        with torch.no_grad():
            next(game.discriminator.parameters()).fill_(float("nan"))

    memory = Remembers()
    with pytest.raises(Diverged, match=r"^The output of player D's network became NaN at iteration 4"):
        fit(tiny_game(8), tmp_path, [TrainingLog(every=2), At(3, spoil)], loggers=[memory])
    assert [row["iteration"] for row in table(tmp_path)] == ["2"]
    assert memory.summary["status"] == "diverged"


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(UserError, match=r"log_every=0"):
        TrainingLog(every=0)


@pytest.mark.parametrize("started, status", [(False, "finished"), (True, "crashed")])
def test_a_command_that_is_refused_before_training_leaves_the_status(tmp_path, started, status):
    class Refuses(pl.Callback):
        def refuse(self, *_: Any) -> None:
            raise UserError("other classes")

    refuses, remembers = Refuses(), Remembers()
    setattr(refuses, "on_train_batch_end" if started else "on_fit_start", refuses.refuse)
    remembers.summary["status"] = "finished"
    with pytest.raises(UserError, match="other classes"):
        fit(tiny_game(iterations=2), tmp_path, [TrainingLog(), refuses], loggers=[remembers])
    assert remembers.summary["status"] == status
