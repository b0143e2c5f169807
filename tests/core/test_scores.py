import pytest

from lightning_gans.core.scores import Scores


def test_lower_or_higher_is_better_as_the_metric_says():
    scores = Scores()
    for iteration, fid, modes in [(10, 30.0, 3.0), (20, 10.0, 8.0), (30, 20.0, 6.0)]:
        scores.record({"fid": fid, "modes": modes}, iteration)
    assert (scores["fid"].last, scores["fid"].best, scores["fid"].best_iteration) == (20.0, 10.0, 20)
    assert (scores["modes"].last, scores["modes"].best, scores["modes"].best_iteration) == (6.0, 8.0, 20)
    assert scores.is_best("fid", 20)
    assert not scores.is_best("fid", 30)
    assert not scores.is_best("kid", 20)
    assert "kid" not in scores


def test_of_equal_values_the_first_is_the_best():
    scores = Scores()
    scores.record({"fid": 1.0}, 10)
    scores.record({"fid": 1.0}, 20)
    assert scores["fid"].best_iteration == 10


def test_a_value_that_is_none_is_never_the_best():
    scores = Scores()
    for iteration, fid in [(10, float("nan")), (20, 5.0), (30, float("nan"))]:
        scores.record({"fid": fid}, iteration)
    assert (scores["fid"].best, scores["fid"].best_iteration) == (5.0, 20)


def test_the_state_is_plain_and_whole():
    scores, copy = Scores(), Scores()
    scores.record({"fid": 3.0}, 10)
    scores.record({"fid": 4.0}, 20)
    state = scores.state_dict()
    assert state == {"fid": {"last": 4.0, "best": 3.0, "best_iteration": 10, "better": "lower"}}
    scores.record({"fid": 5.0}, 25, {"fid": 0.5})
    assert (scores["fid"].last_se, scores["fid"].best_se) == (0.5, None)
    scores.load_state_dict(state)
    copy.load_state_dict(state)
    assert copy.state_dict() == state
    copy.record({"fid": 1.0}, 30)
    assert scores["fid"].best == 3.0


def test_a_state_without_directions_has_those_of_its_metrics():
    scores = Scores()
    scores.load_state_dict({"fid": {"last": 4.0, "best": 3.0, "best_iteration": 10}})
    scores.record({"fid": 2.0}, 20)
    assert (scores["fid"].best, scores["fid"].better) == (2.0, "lower")


def test_a_metric_that_is_declared_no_more_keeps_its_direction():
    scores = Scores()
    state = {"gone": {"last": 4.0, "best": 5.0, "best_iteration": 10, "better": "higher"}}
    scores.load_state_dict(state)
    assert scores.state_dict() == state
    with pytest.raises(ValueError, match="no metric named 'gone'"):
        scores.record({"gone": 6.0}, 20)


def test_metrics_of_an_earlier_version_get_their_present_names():
    scores = Scores()
    scores.record({"fid": 3.0, "accuracy": 0.5}, 10)
    scores.rename({"fid": "fid_classifier", "is": "is_classifier"})
    assert set(scores.state_dict()) == {"fid_classifier", "accuracy"}
    assert scores["fid_classifier"].best == 3.0
