"""The picture and the page that a run leaves at its end, whatever end that is."""

import errno
import os
import signal
import tempfile

import pytest
from PIL import Image

from experiments.jobs.preflight import preflight
from experiments.jobs.runner import Exit, run
from experiments.runs import directory as runs
from lightning_gans.callbacks.training_log import TrainingLog
from tests.helpers.ring import RING

LEFT = ["curves.png", "report.html"]


@pytest.fixture
def train(tmp_path):
    """train(*settings) -> its exit code; the run is tmp_path/run."""

    def train(*settings):
        every = ("callbacks.evaluation.every=4", "callbacks.checkpoint.every=4", "callbacks.grids.every=4")
        machine = ("trainer.threads=1", "trainer.accelerator=cpu", "trainer.log_every=2", f"run_dir={tmp_path / 'run'}")
        (job,) = preflight([*RING, *every, *machine, "iterations=8", *settings])
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / runs.CONFIG).write_text(runs.config_text(job.config))
        return run(job.config)

    return train


def left(tmp_path):
    return sorted(path.name for path in (tmp_path / "run").iterdir() if path.suffix in (".png", ".html"))


def test_a_finished_run_leaves_both_and_says_where(train, tmp_path, capsys):
    assert train() == Exit.DONE
    assert left(tmp_path) == LEFT
    said = capsys.readouterr().out
    assert all(name in said for name in LEFT)
    assert Image.open(tmp_path / "run" / "curves.png").width > 1000
    text = (tmp_path / "run" / "report.html").read_text()
    assert "<h1>run</h1>" in text
    assert '"iteration":[2,4,6,8]' in text
    assert text.count("data:image/webp") == 5  # iterations 0, 1, 2, 4 and 8


def test_a_run_that_diverges_leaves_them(train, tmp_path):
    assert train("variant.training.players.D.optimizer.lr=1e30") == Exit.DIVERGED
    assert "report.html" in left(tmp_path)
    assert "diverged: a loss or gradient became NaN" in (tmp_path / "run" / "report.html").read_text()


def test_who_asks_a_run_to_stop_does_not_wait_for_them(train, tmp_path, monkeypatch):
    log = TrainingLog.on_train_batch_end

    def interrupted(self, trainer, pl_module, *arguments):
        if pl_module.iteration == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        log(self, trainer, pl_module, *arguments)

    monkeypatch.setattr(TrainingLog, "on_train_batch_end", interrupted)
    assert train() == Exit.INTERRUPTED
    assert left(tmp_path) == []


@pytest.mark.parametrize("name", LEFT)
def test_a_full_disk_costs_a_warning(train, tmp_path, monkeypatch, caplog, name):
    make = tempfile.mkstemp

    def refuse(*, dir, prefix, suffix):
        if prefix == f".{name}.":
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(dir=dir, prefix=prefix, suffix=suffix)

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert train() == Exit.DONE
    assert name not in left(tmp_path)
    (said,) = [record.message for record in caplog.records if "were not written" in record.message]
    assert "No space left on device" in said
