"""The time of a run is estimated from its first iterations."""

import logging
from types import SimpleNamespace

import pytest

from lightning_gans.callbacks import time_estimate
from lightning_gans.callbacks.time_estimate import PaperBudget, TimeEstimate


class Played:
    """A game as the callback sees it."""

    iteration, iterations = 0, 1_000
    training_settings = SimpleNamespace(batch_size=10)


@pytest.fixture
def said(monkeypatch, caplog):
    def play(estimate, *, seconds, iterations, leads=True):
        clock, game = [0.0], Played()
        monkeypatch.setattr(time_estimate, "Game", Played)
        monkeypatch.setattr(time_estimate.time, "monotonic", lambda: clock[0])
        trainer = SimpleNamespace(is_global_zero=leads)
        with caplog.at_level(logging.WARNING, "lightning_gans"):
            estimate.on_train_start(trainer, game)
            for _ in range(iterations):
                game.iteration += 1
                clock[0] += seconds
                estimate.on_train_batch_end(trainer, game)
        return caplog.messages

    return play


def test_it_is_said_once_with_the_time_of_the_paper(said):
    (line,) = said(TimeEstimate(PaperBudget("30 epochs", 36_000)), seconds=2.0, iterations=40)
    # 12 of 1,000 iterations are done; 3,600 iterations of 10 images in the paper
    assert line.startswith("About 32 min 56 s to go at 2 s an iteration, evaluations apart. The paper has 30 epochs: ")
    assert line.endswith(" about 2 h 00 min here.")


def test_it_waits_for_five_seconds_and_ten_iterations(said):
    assert said(TimeEstimate(), seconds=2.0, iterations=11) == []
    assert said(TimeEstimate(), seconds=0.3, iterations=18) == []


def test_short_runs_and_other_ranks_say_nothing(said):
    assert said(TimeEstimate(), seconds=0.1, iterations=100) == []
    assert said(TimeEstimate(), seconds=2.0, iterations=40, leads=False) == []
