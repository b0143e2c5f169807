"""One process trains in a directory at a time, and one that is refused leaves nothing there."""

import os
import signal
import socket
import time

import pytest

from experiments.runs import directory as runs
from experiments.runs.directory import read_summary
from experiments.runs.lock import in_use
from lightning_gans.core.errors import UserError
from tests.helpers.ring import RING

LONG = (*RING, "iterations=100000", "callbacks.checkpoint.every=100")


def begun(launcher, run, *argv):
    """A run that has written its first checkpoint and goes on."""
    process = launcher.start(*argv, f"run_dir={run}")
    while not (run / "generator" / "model.yaml").is_file():
        assert process.is_alive(), launcher.log.read_text()
        time.sleep(0.02)
    return process


def state(run):
    return sorted(path.name for path in run.iterdir())


def test_a_second_process_is_refused_by_name_and_the_first_goes_on(launcher):
    run = launcher.folder / "run"
    process = begun(launcher, run, *LONG)
    said = launcher.run(*LONG, f"run_dir={run}", code=2)
    assert f"process {process.pid} on {socket.gethostname()}" in said
    assert "is being trained" in said
    assert len([line for line in said.splitlines() if "it/s" not in line]) == 1  # the first one's progress aside

    # Commands that only read are not kept out.
    from experiments import compare, sample

    assert sample.main([f"run={run}", "n=2", f"npz={launcher.folder / 'x.npz'}"]) == 0
    assert compare.main([str(launcher.folder)]) == 0

    assert process.is_alive()
    end(process)


def test_a_sweep_goes_on_without_the_job_that_another_process_trains(launcher):
    process = begun(launcher, launcher.folder / "run-100000", *LONG)
    sweep = ("-m", *LONG[:-2], LONG[-1], "iterations=100000,3", f"run_dir={launcher.folder}/run-${{iterations}}")
    said = launcher.run(*sweep, code=2)
    assert f"process {process.pid}" in said
    assert read_summary(launcher.folder / "run-3").status == "finished"
    end(process)


def end(process):
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_a_killed_process_leaves_the_directory_to_the_next(launcher):
    run = launcher.folder / "run"
    command = (*RING, "iterations=500", "callbacks.checkpoint.every=100")
    process = begun(launcher, run, *command)
    torn = run / "checkpoints" / ".last.ckpt.abcd_123.ckpt"
    torn.write_bytes(b"half of a checkpoint")
    end(process)
    assert runs.LOCK in state(run)
    launcher.run(*command, f"run_dir={run}")
    assert read_summary(run).status == "finished"
    assert runs.LOCK not in state(run)
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]


def test_a_command_that_is_refused_late_leaves_nothing(launcher):
    """The networks do not fit these images, which only their constructors know."""
    run = launcher.folder / "runs" / "deep" / "run"
    said = launcher.run("variant=dcgan", "data.image_size=12", "logger=none", f"run_dir={run}", code=2)
    assert "continued" not in said
    assert not (launcher.folder / "runs").exists(), said
    launcher.run(*RING, "iterations=5", f"run_dir={run}")
    assert read_summary(run).status == "finished"


def test_a_directory_that_was_there_stays_without_a_configuration(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")

    def refused():
        with in_use(tmp_path):
            assert runs.LOCK in state(tmp_path)
            for name in runs.OF_A_RUN:
                (tmp_path / name).write_text('{"status": "running", "iterations": 0}')
            raise UserError("does not fit")

    with pytest.raises(UserError, match="does not fit"):
        refused()
    assert state(tmp_path) == ["notes.txt"]


def test_what_was_there_before_is_never_removed(tmp_path):
    (tmp_path / runs.CONFIG).write_text("port: 80\n")
    with in_use(tmp_path):
        (tmp_path / runs.COMMAND).touch()
    assert state(tmp_path) == [runs.CONFIG]


def test_what_has_run_stays(tmp_path):
    run = tmp_path / "a" / "run"

    def failing():
        with in_use(run):
            (run / runs.CONFIG).write_text("seed: 0")
            (run / runs.SUMMARY).write_text('{"status": "running", "iterations": 1}')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        failing()
    assert state(run) == [runs.CONFIG, runs.SUMMARY]


def test_without_locks_it_goes_on_with_a_warning(tmp_path, monkeypatch, capsys):
    import fcntl

    def refuse(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with in_use(tmp_path / "run"):
        pass
    assert "has no locks" in capsys.readouterr().err
