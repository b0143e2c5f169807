"""summary.json on a disk without room: the status is right however a run ends."""

import errno
import json
import tempfile

import pytest

from lightning_gans.callbacks.summary import RunSummary
from lightning_gans.core.errors import UserError
from lightning_gans.metrics.names import METRICS
from tests.helpers.tiny import BATCH, fit, tiny_game


@pytest.fixture
def full_disk(monkeypatch):
    """No new file can be made from now on."""

    def begin():
        def refuse(*_, **__):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(tempfile, "mkstemp", refuse)

    return begin


def found(run):
    return json.loads((run / "summary.json").read_text())


@pytest.mark.parametrize("status", ["finished", "stopped", "diverged"])
def test_on_a_full_disk_it_is_written_over_the_old_one(tmp_path, full_disk, status):
    game, summary = tiny_game(4), RunSummary()
    trainer = fit(game, tmp_path, [summary])
    assert (found(tmp_path)["status"], found(tmp_path)["iterations"]) == ("running", 0)
    game.scores.record({"fid": 2.0}, 4)
    full_disk()
    with pytest.raises(UserError, match=r"Could not write .*summary\.json: No space left on device"):
        summary.write(trainer, game, status)
    assert (found(tmp_path)["status"], found(tmp_path)["iterations"]) == (status, 4)
    assert found(tmp_path)["metrics"]["fid"]["best"] == 2.0
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_where_there_is_no_block_either_the_status_is_changed(tmp_path, full_disk, monkeypatch):
    import os

    game, summary = tiny_game(4), RunSummary()
    trainer = fit(game, tmp_path, [summary])
    for name in METRICS:
        game.scores.record({name: 1.0}, 4)
    full_disk()

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    size = (tmp_path / "summary.json").stat().st_size
    with pytest.raises(UserError):
        summary.write(trainer, game, "finished")
    assert (found(tmp_path)["status"], found(tmp_path)["iterations"]) == ("finished", 4)
    assert "parameters" in found(tmp_path)
    assert (tmp_path / "summary.json").stat().st_size == size


def test_a_speed_below_one_is_kept(tmp_path, monkeypatch):
    game, summary = tiny_game(4), RunSummary()
    trainer = fit(game, tmp_path, [summary])
    monkeypatch.setattr(RunSummary, "seconds", 1000.0)
    summary.write(trainer, game, "finished")
    assert found(tmp_path)["images_per_second"] == 4 * BATCH / 1000
