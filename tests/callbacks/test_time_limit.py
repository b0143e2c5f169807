import pytest

from datamodules import Ring
from lightning_gans.callbacks import time_limit as module
from lightning_gans.callbacks.time_limit import TimeLimit
from lightning_gans.core.errors import UserError
from tests.helpers.play import Watch, play
from tests.helpers.tiny import BATCH, tiny_game


@pytest.mark.parametrize(
    "max_time, seconds",
    [("00:00:01:30", 90), ("01:00:00:00", 86400), ({"hours": 1, "minutes": 1.5}, 3690), (None, float("inf"))],
)
def test_a_time_is_read(max_time, seconds):
    assert TimeLimit(max_time).seconds == seconds


@pytest.mark.parametrize("max_time", ["soon", "1:30", 3, True, {"fortnights": 1}, {}, "00:00:00:00", {"hours": -1}, []])
def test_what_is_no_time_is_refused(max_time):
    with pytest.raises(UserError, match=r"^trainer\.max_time=.* is no time above 0: .*00:01:30:00"):
        TimeLimit(max_time)


def test_each_sitting_has_all_of_it(tmp_path, monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(clock))}))
    limit, game = TimeLimit({"seconds": 3}), tiny_game(10)
    seen = Watch(lambda trainer, game: trainer.should_stop)
    play(game, Ring(batch_size=BATCH), tmp_path, limit, seen)
    assert seen.seen == [False, False, True]
    assert limit.over
    play(game, Ring(batch_size=BATCH), tmp_path, limit, seen)
    assert game.iteration == 6


def test_without_a_limit_nothing_ends(tmp_path):
    limit, game = TimeLimit(None), tiny_game(4)
    play(game, Ring(batch_size=BATCH), tmp_path, limit)
    assert game.iteration == 4
    assert not limit.over
