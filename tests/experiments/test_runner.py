"""The end of a run: whatever it is, summary.json says so, on a full disk too."""

import errno
import tempfile
import warnings

import pytest

from experiments.jobs.preflight import preflight
from experiments.jobs.runner import Exit, quiet_libraries, run
from experiments.runs import directory as runs
from experiments.runs.resume import check_resume
from lightning_gans.core import checkpoints
from lightning_gans.core.errors import UserError
from tests.helpers.ring import RING


@pytest.fixture
def config(tmp_path):
    every = ("callbacks.evaluation.every=4", "callbacks.checkpoint.every=4", "callbacks.grids.every=100")
    machine = ("trainer.threads=1", "trainer.accelerator=cpu", f"run_dir={tmp_path / 'run'}")
    (job,) = preflight([*RING, *every, *machine, "iterations=12"])
    return job.config


@pytest.fixture
def disk(monkeypatch):
    """disk(name, nth): from the nth new file of that name on there is room for none; disk(None): there is room."""
    make = tempfile.mkstemp

    def fill(name, nth=1):
        left, full = nth, name is not None

        def refuse(*, dir, prefix, suffix):
            nonlocal left
            left -= prefix == f".{name}."
            if full and left <= 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return make(dir=dir, prefix=prefix, suffix=suffix)

        monkeypatch.setattr(tempfile, "mkstemp", refuse)

    return fill


def status(config):
    found = runs.read_summary(runs.Path(config["run_dir"]))
    return found.status, found.iterations


def go_on(config):
    run_dir = runs.Path(config["run_dir"])
    (run_dir / runs.CONFIG).write_text(runs.config_text(config))
    return run(config, checkpoint=check_resume(config, run_dir).checkpoint)


def refused(config):
    with pytest.raises(UserError, match=r"Could not write .*: No space left on device.*Free some space"):
        run(config)


def test_a_disk_that_is_full_at_a_checkpoint(config, disk):
    disk("last.ckpt", 2)
    refused(config)
    assert status(config) == ("crashed", 8)
    folder = runs.Path(config["run_dir"]) / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert checkpoints.load(folder / "last.ckpt")["game"]["iteration"] == 4
    disk(None)
    assert go_on(config) == Exit.DONE
    assert status(config) == ("finished", 12)


@pytest.mark.parametrize("name", ["iteration-00000012.png", "progress.gif", "interpolation.png"])
def test_a_disk_that_is_full_at_the_last_picture(config, disk, name):
    disk(name)
    refused(config)
    assert status(config) == ("crashed", 12)
    disk(None)
    assert go_on(config) == Exit.DONE
    assert status(config) == ("finished", 12)
    assert (runs.Path(config["run_dir"]) / "samples" / name).is_file()


def test_a_disk_that_is_full_when_all_is_done(config, disk):
    """Everything is there but the last word: it is written over the one before, and the disk is told of."""
    disk("summary.json", 5)  # at the beginning, at three evaluations, and at the end
    refused(config)
    assert status(config) == ("finished", 12)
    assert runs.read_summary(runs.Path(config["run_dir"])).metrics


def test_a_disk_that_is_full_when_a_run_diverges(config, disk):
    players = config["variant"]["training"]["players"]
    players["D"]["optimizer"]["lr"] = 1e30
    disk("summary.json", 2)
    assert run(config) == Exit.DIVERGED
    assert status(config)[0] == "diverged"


def test_an_exception_stops_a_run(config, monkeypatch):
    monkeypatch.setattr("lightning_gans.callbacks.checkpoints.save_generator", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(config)
    assert status(config) == ("crashed", 4)


def test_nothing_is_written_before_all_is_made(config, tmp_path):
    begun = []
    config["init_from"] = str(tmp_path / "nothing")
    with pytest.raises(UserError, match="no checkpoint there"):
        run(config, begin=lambda: begun.append(1))
    assert not begun
    assert not (tmp_path / "run").exists()
    assert run(config | {"init_from": None}, begin=lambda: begun.append(1)) == Exit.DONE
    assert begun == [1]


def test_what_was_found_in_the_files_is_printed_once(config, monkeypatch, capsys):
    monkeypatch.setattr("datamodules.base.DataModule.notes", lambda self: [f"{len(self.sources)} splits", "no image"])
    run({**config, "iterations": 4, "variant": {**config["variant"], "training": _shorter(config, 4)}})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["ring: 3 splits", "ring: no image"]
    assert sum(line.startswith("ring: ") for line in lines) == 2


def _shorter(config, iterations):
    return {**config["variant"]["training"], "iterations": iterations}


def test_a_warning_for_users_names_no_source_file(monkeypatch):
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # put back at the end
    with warnings.catch_warnings():
        for _ in range(2):
            quiet_libraries()
        assert warnings.formatwarning(UserWarning("few images"), UserWarning, "a.py", 3) == "few images\n"
        assert "a.py:3" in warnings.formatwarning(DeprecationWarning("old"), DeprecationWarning, "a.py", 3)
