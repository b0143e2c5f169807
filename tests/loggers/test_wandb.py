import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from PIL import Image
from pytorch_lightning.utilities import rank_zero_only

import lightning_gans.loggers.wandb as module
from lightning_gans.callbacks.pictures import log_picture
from lightning_gans.callbacks.training_log import TrainingLog
from lightning_gans.loggers.connection import Choice
from lightning_gans.loggers.wandb import WandbLogger, pinned_id, plain
from tests.helpers.offline_runs import read_offline_run
from tests.helpers.tiny import fit, tiny_game


class Looks(pl.Callback):
    """Stands in for evaluation, grids and checkpoints: a score and a picture every four iterations, an animation last.

    Saves and stops after `end` iterations.
    """

    def __init__(self, log: TrainingLog, folder: Path, end: int) -> None:
        self.training_log, self.folder, self.end = log, folder, end

    def on_train_batch_end(self, trainer: pl.Trainer, game: Any, *_: Any) -> None:
        if game.iteration % 4 == 0:
            scores = {"fid": 100.0 + game.iteration}  # the first one is the best
            named = {f"eval/{name}": value for name, value in scores.items()}
            game.scores.record(scores, game.iteration)
            for logger in trainer.loggers:
                logger.log_metrics(named, step=game.iteration)
            self.training_log.on_evaluation(trainer, game, None)  # type: ignore[arg-type]
            log_picture(trainer, "samples/grid", draw(self.folder / "grid.png"), game.iteration)
            if game.iteration == game.iterations:
                log_picture(trainer, "samples/progress", draw(self.folder / "progress.gif"), game.iteration)
        if game.iteration == self.end:
            trainer.save_checkpoint(self.folder / "x.ckpt")
            trainer.should_stop = True


def draw(path: Path) -> Path:
    frames = [Image.new("L", (4, 4), shade) for shade in (9, 100)]
    animated: dict[str, Any] = {"save_all": True, "append_images": frames[1:]} if path.suffix == ".gif" else {}
    frames[0].save(path, **animated)
    return path


def test_a_run_and_its_resumption_are_one_w_and_b_run_with_every_row_where_it_belongs(tmp_path: Path) -> None:
    run_dir, checkpoint = tmp_path / "vanilla-ring-0", tmp_path / "x.ckpt"
    for end in (4, 8):
        logger = WandbLogger(run_dir=run_dir, project="p", group="vanilla-ring", tags=["a", "b"])
        logger.log_hyperparams({"variant": {"players": ("D", "G"), "path": tmp_path}, "seed": 0, "resume": None})
        log = TrainingLog(every=2)
        callbacks = [log, Looks(log, tmp_path, end)]
        fit(tiny_game(8), run_dir, callbacks, loggers=[logger], checkpoint=checkpoint if end == 8 else None)

    first, second = read_offline_run(run_dir)
    for sitting in (first, second):
        assert sitting.run["run_id"] == pinned_id(run_dir)
        assert (sitting.run["display_name"], sitting.run["project"]) == ("vanilla-ring-0", "p")
        assert (sitting.run["run_group"], sitting.run["tags"]) == ("vanilla-ring", ["a", "b"])
        variant = {"players": ["D", "G"], "path": str(tmp_path)}
        assert {k: v for k, v in sitting.config.items() if k != "_wandb"} == {
            "variant": variant,
            "seed": 0,
            "resume": None,
        }
        assert sitting.axes["*"] == "iteration"
        assert sitting.exit_code == 0
    assert sorted(first.history) == [2, 4]
    assert sorted(second.history) == [6, 8]
    rows = first.history | second.history
    assert all(row["iteration"] == step for step, row in rows.items())
    assert {step: row["eval/fid"] for step, row in rows.items() if "eval/fid" in row} == {4: 104, 8: 108}
    assert [step for step, row in rows.items() if "samples/grid.path" in row] == [4, 8]
    assert [step for step, row in rows.items() if "samples/progress.path" in row] == [8]
    losses = (run_dir / "losses.csv").read_text().splitlines()
    column = losses[0].split(",").index("D/loss")
    written = {int(line.split(",")[0]): float(line.split(",")[column]) for line in losses[1:]}
    assert {step: row["train/D/loss"] for step, row in rows.items()} == pytest.approx(written, rel=1e-6)

    for sitting, step in ((first, 4), (second, 8)):
        path = sitting.history[step]["samples/grid.path"]
        assert (sitting.file.parent / "files" / path).read_bytes() == (tmp_path / "grid.png").read_bytes()
    assert (first.summary["status"], second.summary["status"]) == ("stopped", "finished")
    for summary in (first.summary, second.summary):
        assert (summary["eval/fid.best"], summary["eval/fid.best_iteration"]) == (104, 4)
    assert (second.summary["eval/fid"]["min"], second.summary["iteration"]) == (108, 8)  # of the rows of this sitting


def test_two_jobs_of_one_process_are_two_runs_even_when_the_first_has_not_ended(tmp_path: Path) -> None:
    handlers = signal.getsignal(signal.SIGINT), sys.excepthook, sys.stdout, sys.stderr
    loggers = [WandbLogger(run_dir=tmp_path / name) for name in ("a", "b")]
    for i, logger in enumerate(loggers):
        logger.log_metrics({f"only/{i}": 1.0}, step=i + 1)
    assert handlers == (signal.getsignal(signal.SIGINT), sys.excepthook, sys.stdout, sys.stderr)
    for logger, status in zip(loggers, ("success", "failed"), strict=True):
        logger.finalize(status)
    a, b = read_offline_run(tmp_path / "a", tmp_path / "b")
    assert a.run["run_id"] != b.run["run_id"]
    assert a.history == {1: {"iteration": 1, "only/0": 1}}
    assert b.history == {2: {"iteration": 2, "only/1": 1}}
    assert (a.exit_code, b.exit_code) == (0, 1)


def test_the_id_stays_with_the_directory(tmp_path: Path) -> None:
    first = WandbLogger(run_dir=tmp_path / "a").version
    assert WandbLogger(run_dir=tmp_path / "a").version == first == pinned_id(tmp_path / "a")
    assert WandbLogger(run_dir=tmp_path / "b").version != first


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x00" * 8, b"../../x"])
def test_a_damaged_id_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "wandb").mkdir()
    (tmp_path / "wandb" / "id.txt").write_bytes(content)
    made = pinned_id(tmp_path)
    assert len(made) == 8
    assert made.isalnum()
    assert pinned_id(tmp_path) == made


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """W&B whose run raises on the method named `fails`, and remembers the others."""
    state: dict[str, Any] = {"fails": None, "calls": []}

    class Run:
        offline = True

        def __getattr__(self, name: str) -> Any:
            def method(*args: Any, **kwargs: Any) -> None:
                if name == state["fails"]:
                    raise OSError("No space left on device\nwith a second line")
                state["calls"].append(name)

            return method

    monkeypatch.setattr(WandbLogger, "_init", lambda self, mode: Run())
    monkeypatch.setattr(module, "_abandon", lambda: state["calls"].append("abandoned"))
    return state


@pytest.mark.parametrize("fails", ["define_metric", "log", "finish"])
def test_a_failure_is_said_once_and_ends_nothing(
    fails: str, broken: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken["fails"] = fails
    logger = WandbLogger(run_dir=tmp_path)
    logger.log_hyperparams({"a": 1})
    for step in range(3):
        logger.log_metrics({"a": 1.0}, step=step)
        logger.log_picture("grid", draw(tmp_path / "grid.png"), step)
    logger.finalize("success")
    logger.finalize("success")
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "OSError: No space left on device" in messages[0]
    assert "second line" not in messages[0]
    assert "abandoned" in broken["calls"]


def test_without_the_package_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    logger = WandbLogger(run_dir=tmp_path)
    assert logger.experiment is None
    logger.log_metrics({"a": 1.0}, step=1)
    assert len(caplog.records) == 1


def test_a_server_that_takes_no_run_leaves_it_offline(
    tmp_path: Path, broken: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []
    give = WandbLogger._init

    def init(self: WandbLogger, mode: str) -> Any:
        asked.append(mode)
        if mode == "online":
            raise RuntimeError("returned error 401")
        return give(self, mode)

    monkeypatch.setattr(WandbLogger, "_init", init)
    monkeypatch.setattr(module, "choose", lambda **_: Choice("online"))
    logger = WandbLogger(run_dir=tmp_path)
    logger.log_metrics({"a": 1.0}, step=1)
    assert asked == ["online", "offline"]
    assert broken["calls"].count("log") == 1
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert f"wandb sync {tmp_path / 'wandb'}" in caplog.text


@pytest.mark.parametrize("silenced", ["WANDB_MODE", "rank"])
def test_nothing_is_made_where_w_and_b_is_disabled_or_on_another_rank(
    silenced: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if silenced == "rank":
        monkeypatch.setattr(rank_zero_only, "rank", 1)
    else:
        monkeypatch.setenv("WANDB_MODE", "disabled")
    logger = WandbLogger(run_dir=tmp_path / "run", offline=False)
    logger.log_hyperparams({"a": 1})
    logger.log_metrics({"a": 1.0}, step=1)
    logger.log_summary({"status": "running"})
    logger.finalize("success")
    assert logger.experiment is None
    assert not (tmp_path / "run").exists()
    assert not caplog.records


def test_configurations_become_plain(tmp_path: Path) -> None:
    value = {"a": (1, 2.5, None, True), 3: {"path": tmp_path / "x"}}
    assert plain(value) == {"a": [1, 2.5, None, True], "3": {"path": os.fspath(tmp_path / "x")}}
    json.dumps(plain(value))
