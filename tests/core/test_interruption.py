"""Signals that ask a run to stop: one request, whatever comes and however often."""

import signal
import time

import pytest
import torch

from lightning_gans.core import interruption
from lightning_gans.core.interruption import Aborted, Interruption, StopRequested, abandonable, poll, stopping
from lightning_gans.core.signals import SIGNALS

CPU = torch.device("cpu")


@pytest.fixture
def former():
    """Signals that reached the handlers which were there before; those of the process are put back at the end."""
    reached: list[int] = []
    before = {number: signal.signal(number, lambda number, _: reached.append(number)) for number in SIGNALS}
    yield reached
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def training(former):
    """A run that trains: there is something to save."""
    with Interruption() as run:
        run.begin()
        yield run


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_training_is_a_flag_and_then_the_former_handlers(number, former, capfd):
    with Interruption() as run:
        run.begin()
        assert not run.agree(CPU)
        signal.raise_signal(number)
        assert run.agree(CPU)
        assert stopping()
        assert former == []
    assert former == [number], "a launcher queues the run again"
    assert f"{signal.Signals(number).name}: saving" in capfd.readouterr().err
    assert not stopping()


def test_many_signals_at_once_are_one_request(training, former):
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGUSR2, signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(number)
    assert training.received == [signal.SIGTERM, signal.SIGUSR2, signal.SIGINT]
    assert training.agree(CPU)


def test_a_second_ctrl_c_after_a_second_aborts(training, monkeypatch, capfd):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    signal.raise_signal(signal.SIGINT)
    now += 0.9
    signal.raise_signal(signal.SIGINT)
    now += 0.2
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Aborted):
        signal.raise_signal(signal.SIGINT)
    assert "Second Ctrl-C" in capfd.readouterr().err


def test_without_a_stop_former_handlers_are_put_back_and_not_called(former):
    with Interruption() as run:
        run.begin()
    assert former == []
    signal.raise_signal(signal.SIGUSR1)
    assert former == [signal.SIGUSR1]


def test_a_hangup_that_was_ignored_stays_ignored(former):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interruption() as run:
        signal.raise_signal(signal.SIGHUP)
        assert run.received == []


def test_before_training_there_is_nothing_to_save(former):
    with Interruption(), pytest.raises(StopRequested):
        signal.raise_signal(signal.SIGTERM)


def test_an_evaluation_is_left_at_once_and_only_once(training):
    done = []

    def evaluate():
        with abandonable(CPU):
            try:
                signal.raise_signal(signal.SIGTERM)
                done.append("measured")
            finally:
                signal.raise_signal(signal.SIGTERM)  # what clears up is not disturbed
                done.append("cleared up")

    with pytest.raises(StopRequested):
        evaluate()
    assert done == ["cleared up"]
    assert stopping()
    with pytest.raises(StopRequested):
        evaluate()
    assert done == ["cleared up"], "a run that stops does not begin another evaluation"


def test_an_evaluation_of_several_processes_is_left_where_all_of_them_come_by(training, monkeypatch):
    monkeypatch.setattr(interruption, "processes", lambda: 2)
    monkeypatch.setattr(interruption, "any_says", lambda answer, device: answer)
    monkeypatch.setattr(interruption, "rank", lambda: 1)
    passed = []

    def evaluate():
        with abandonable(CPU):
            for turn in range(3):
                poll()
                passed.append(turn)
                if turn == 1:
                    signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StopRequested):
        evaluate()
    assert passed == [0, 1]
    poll()  # outside of an evaluation nobody asks


def test_nobody_listens():
    with abandonable(CPU):
        poll()
    assert not stopping()
