"""Requeueing of batch jobs: answers of SLURM 22.05 for each reason to stop."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from experiments.jobs import requeue
from lightning_gans.core import signals
from lightning_gans.core.interruption import Interruption, StopRequested

RUNNING = {"JobState": "RUNNING", "Reason": "None", "BatchFlag": "1", "PreemptTime": "None"}
COMPLETING = RUNNING | {"JobState": "COMPLETING"}
USR1, USR2, TERM, INT = signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT

CASES = {
    "warning before a time limit": ([USR1], RUNNING, "time limit"),
    "submitit's warning": ([USR2], RUNNING, "time limit"),
    "time limit": ([TERM], COMPLETING | {"Reason": "TimeLimit"}, "time limit"),
    "pre-emption with a warning": ([USR2], RUNNING | {"PreemptTime": "2026-12-02T08:10:56"}, "pre-emption"),
    "pre-emption": ([TERM], RUNNING | {"PreemptTime": "2026-12-02T08:10:56"}, "pre-emption"),
    "scancel": ([TERM], COMPLETING, None),
    "scancel after a warning": ([USR1, TERM], COMPLETING, None),
    "scontrol requeue": ([TERM], COMPLETING, None),
    "kill": ([TERM], RUNNING, None),
    "Ctrl-C": ([INT], RUNNING, None),
    "Ctrl-C after a warning": ([USR1, INT], RUNNING, None),
    "interactive job": ([USR1], RUNNING | {"BatchFlag": "0"}, None),
    "no answer": ([USR1], {}, None),
    "no signal": ([], RUNNING, None),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cause_of_a_stop(name):
    received, job, expected = CASES[name]
    assert requeue.cause(received, job) == expected


@pytest.fixture
def slurm(monkeypatch):
    """A SLURM that answers `show job` with `slurm.job`, and the other commands that it was given."""
    asked = SimpleNamespace(job=RUNNING, commands=[], refusal="")

    def run(command, **_):
        if "show" in command:
            return SimpleNamespace(stdout=" ".join(f"{key}={value}" for key, value in asked.job.items()), returncode=0)
        asked.commands.append(command)
        return SimpleNamespace(stdout="", stderr=asked.refusal, returncode=int(bool(asked.refusal)))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    return asked


def test_a_job_is_queued_again(slurm, capsys):
    assert requeue.queue_again([USR1], advanced=True)
    assert slurm.commands == [["scontrol", "requeue", "71"]]
    assert "job 71 is queued again" in capsys.readouterr().out


def test_a_task_of_an_array_is_queued_by_itself(slurm, monkeypatch):
    """The number of its last task is that of the array."""
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "71")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert requeue.queue_again([USR1], advanced=True)
    assert slurm.commands == [["scontrol", "requeue", "71_3"]]


def test_a_time_limit_before_the_first_iteration_would_come_again(slurm, capsys):
    assert not requeue.queue_again([USR1], advanced=False)
    assert "Give it more time" in capsys.readouterr().err
    slurm.job = RUNNING | {"PreemptTime": "2026-12-02T08:10:56"}
    assert requeue.queue_again([USR1], advanced=False)


def test_a_refusal_is_told(slurm, capsys):
    slurm.refusal = "Requested operation is presently disabled"
    assert not requeue.queue_again([USR1], advanced=True)
    assert "SLURM does not queue job 71 again: Requested operation" in capsys.readouterr().err


@pytest.mark.parametrize("variables", [{}, {"SLURM_JOB_ID": "71", "SUBMITIT_EXECUTOR": "slurm"}])
def test_jobs_of_others_are_left_to_them(variables, slurm, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert not requeue.queue_again([USR1], advanced=True)
    assert slurm.commands == []


def test_a_request_that_comes_while_libraries_are_imported_is_kept(monkeypatch):
    monkeypatch.setattr(signals, "early", [])
    monkeypatch.setattr("lightning_gans.core.interruption.early", signals.early)
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    try:
        signals.keep_early()
        os.kill(os.getpid(), USR1)
        with Interruption() as interruption:
            assert interruption.received == [USR1]
            with pytest.raises(StopRequested):
                interruption.check()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


HEARD_IN_TIME = """
import os, runpy, signal, sys

class Watch:
    \"\"\"Warns this process at the first import of a module that takes time.\"\"\"

    def find_spec(self, name, path=None, target=None):
        if name in ("hydra", "yaml") and not warned:
            warned.append(name)
            os.kill(os.getpid(), signal.SIGUSR1)

warned = []
sys.meta_path.insert(0, Watch())
sys.argv = ["experiments.train", "--help"]
try:
    runpy.run_module("experiments.train", run_name="__main__")
except SystemExit as error:
    assert warned and error.code == 0
    os.kill(os.getpid(), signal.SIGUSR1)  # Python has not restored its handlers yet
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
"""


@pytest.mark.parametrize(("job", "code"), [({"SLURM_JOB_ID": "7"}, 0), ({}, -USR1)])
def test_a_batch_job_survives_a_warning_while_it_starts_and_while_it_ends(job, code):
    """Elsewhere the signal ends the process as usual."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SUBMITIT_"))}
    done = subprocess.run([sys.executable, "-c", HEARD_IN_TIME], env=plain | job, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
