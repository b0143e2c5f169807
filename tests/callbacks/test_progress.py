import io
import re
import timeit
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from lightning_gans.callbacks import progress as module
from lightning_gans.callbacks.progress import Progress
from lightning_gans.callbacks.training_log import TrainingLog, player_losses
from lightning_gans.core.activity import activity, displayed
from lightning_gans.reporting.terminal import Activity, Snapshot
from tests.helpers.tiny import BATCH, fit, tiny_game


class Watches:
    """A view that remembers."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.activities: list[list[tuple[str, float]]] = []
        self.closed = 0

    def show(self, now: Snapshot) -> None:
        self.snapshots.append(now)

    def doing(self, activities: Sequence[Activity]) -> None:
        self.activities.append([(activity.text, activity.done) for activity in activities])

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> Watches:
    """In place of the terminal; every look is shown."""
    watches = Watches()
    monkeypatch.setattr(module, "view_for", lambda console: watches)
    monkeypatch.setattr(module, "PERIOD", 0.0)
    return watches


class Scores(pl.Callback):
    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        if pl_module.iteration == 2:
            pl_module.scores.record({"kid": 0.5, "fid": 30.0}, 2)
        if pl_module.iteration == 3:
            pl_module.scores.record({"fid": 40.0}, 3)


def test_every_iteration_is_counted_with_losses_and_the_newest_score(view: Watches, tmp_path: Path) -> None:
    fit(tiny_game(4), tmp_path, [TrainingLog(every=1), Scores(), Progress()])
    shown = view.snapshots
    assert [s.iteration for s in shown] == [0, 1, 2, 3, 4, 4]
    assert {s.iterations for s in shown} == {4}
    assert [dict(s.scores) for s in shown] == [{}, {}, {"fid": 30.0}, *[{"fid": 40.0}] * 3]
    assert all(s.losses.keys() == {"D", "G"} for s in shown[1:])
    assert shown[0].left is None
    assert shown[-1].left is None
    assert shown[2].left == pytest.approx(shown[2].elapsed)  # half-way
    assert shown[3].images_rate == pytest.approx(BATCH * shown[3].rate)
    assert shown[3].rate == pytest.approx(3 / (shown[3].elapsed - shown[0].elapsed), rel=0.01)
    assert view.closed == 1


def test_a_resumed_run_starts_where_it_was(view: Watches, tmp_path: Path) -> None:
    class Save(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
            if pl_module.iteration == 3:
                trainer.save_checkpoint(tmp_path / "x.ckpt")
                trainer.should_stop = True

    fit(tiny_game(4), tmp_path, [Save()])
    fit(tiny_game(4), tmp_path, [Progress()], checkpoint=tmp_path / "x.ckpt")
    assert [s.iteration for s in view.snapshots] == [3, 4, 4]


def test_the_terminal_is_given_back_when_training_fails(view: Watches, tmp_path: Path) -> None:
    class Fails(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        fit(tiny_game(4), tmp_path, [Progress(), Fails()])
    assert view.closed == 1


def test_a_run_goes_on_when_its_reader_is_gone(view: Watches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(now: Snapshot) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(view, "show", gone)
    game = tiny_game(4)
    fit(game, tmp_path, [Progress()])
    assert game.iteration == 4


def test_activities_are_shown_behind_each_other_until_they_end(view: Watches) -> None:
    def fails() -> None:
        with activity("evaluation") as outer, activity("samples", 10) as report:
            report(5)
            outer(0.5)  # not the innermost: kept for later
            raise RuntimeError

    with displayed(Progress().task), pytest.raises(RuntimeError):
        fails()
    assert view.activities == [
        [("evaluation", 0.0)],
        [("evaluation", 0.0), ("samples", 0.0)],
        [("evaluation", 0.0), ("samples", 5)],
        [("evaluation", 0.5)],
        [],
    ]


def test_activities_that_end_in_another_order(view: Watches) -> None:
    progress = Progress()
    first, second = progress.task("a generator"), progress.task("its reader")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert view.activities[2:] == [[("its reader", 0.0)], []]


def test_a_run_says_what_it_does_before_its_first_iteration(view: Watches, tmp_path: Path) -> None:
    class Before(pl.Callback):
        def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            with activity("t-SNE"):
                pass

        def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
            if pl_module.iteration == 1:
                with activity("evaluation"):
                    pass

    progress = Progress()
    with displayed(progress.task):
        fit(tiny_game(4), tmp_path, [progress, Before()])
    texts = [[text for text, _ in activities] for activities in view.activities]
    assert texts == [["t-SNE"], [], ["first iteration"], [], ["evaluation"], []]


def test_other_ranks_are_silent(view: Watches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    progress = Progress()
    trainer, game = SimpleNamespace(is_global_zero=False), tiny_game(4)
    progress.on_train_start(trainer, game)  # type: ignore[arg-type]
    progress.on_train_batch_end(trainer, game)  # type: ignore[arg-type]
    progress.on_train_end(trainer, game)  # type: ignore[arg-type]
    with progress.task("training the classifier") as report:
        report(0.5)
    assert not view.snapshots
    assert not view.activities


def test_an_iteration_costs_a_look_at_the_clock(view: Watches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PERIOD", 1000.0)
    progress, trainer, game = Progress(), SimpleNamespace(is_global_zero=True), tiny_game(4)
    progress.on_train_start(trainer, game)  # type: ignore[arg-type]
    best = min(timeit.repeat(lambda: progress.on_train_batch_end(trainer, game), number=1000, repeat=5))  # type: ignore[arg-type]
    assert best / 1000 < 20e-6
    assert len(view.snapshots) == 1


def test_in_a_pipe(tmp_path: Path) -> None:
    out = io.StringIO()
    fit(tiny_game(5), tmp_path, [TrainingLog(every=1), Progress(console=Console(file=out))])
    *_, last = out.getvalue().splitlines()
    assert re.fullmatch(r"5/5 100%  \S+ it/s  \S+ images/s  D \d\.\d\d  G \d\.\d\d  0:0\d", last)


def test_a_players_loss_is_its_sum_or_its_only_term() -> None:
    latest = {
        "D/accuracy": 0.9,  # monitored, not descended
        "D/real": 0.25,
        "D/fake": 0.5,
        "D/loss": 0.75,
        "D/gradient_norm": 3.0,
        "E/code": 0.1,
        "E/reconstruction": 0.2,
        "E/gradient_norm": 4.0,
        "G/loss": 1.5,
        "G/gradient_norm": 5.0,
    }
    assert player_losses(latest) == {"D": 0.75, "E": 0.2, "G": 1.5}
    assert player_losses({}) == {}
