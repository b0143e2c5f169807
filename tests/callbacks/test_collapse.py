import logging
from types import SimpleNamespace

import pytest
import torch

from lightning_gans.callbacks.collapse import CollapseWatch
from lightning_gans.core.events import EvaluationListener, Evidence


def probabilities(counts):
    """One-hot rows: counts[k] samples of class k."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return torch.nn.functional.one_hot(labels, len(counts)).float()


REAL = {"recall": 0.9, "coverage": 0.95, "precision": 0.9, "evenness": 0.99}
HEALTHY = Evidence(
    {"recall": 0.6, "coverage": 0.7, "precision": 0.8, "evenness": 0.99}, None, probabilities([100] * 3), floor=REAL
)


def scored(**scores):
    return HEALTHY._replace(scores={**HEALTHY.scores, **scores})


@pytest.fixture
def ask(caplog):
    """Show the watch an evaluation; the warnings that it gives."""

    def ask(watch, evidence=HEALTHY, *, accuracy=0.8, rank=0, iteration=500, loggers=()):
        data = SimpleNamespace(classes=("cat", "dog", "owl"))
        trainer = SimpleNamespace(is_global_zero=rank == 0, datamodule=data, loggers=[*loggers])
        game = SimpleNamespace(iteration=iteration, latest={} if accuracy is None else {"D/accuracy": accuracy})
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="lightning_gans"):
            watch.on_evaluation(trainer, game, evidence)
        return [record.getMessage() for record in caplog.records if record.name == "lightning_gans"]

    return ask


def test_it_listens_to_evaluations():
    assert isinstance(CollapseWatch(), EvaluationListener)


def test_a_healthy_run_is_left_in_peace(ask):
    watch = CollapseWatch()
    assert [ask(watch) for _ in range(4)] == [[]] * 4
    assert ask(watch, HEALTHY._replace(probabilities=None), accuracy=None) == []


def test_classes_that_are_missing_are_named(ask):
    (text,) = ask(CollapseWatch(), HEALTHY._replace(probabilities=probabilities([200, 100, 0])))
    assert text.startswith("Iteration 500: the samples cover 2 of 3 classes (few or none of: owl)")
    assert "Try" in text


@pytest.mark.parametrize("count, warnings", [(20, 0), (19, 1)])
def test_a_class_is_covered_from_a_fifth_of_its_even_share_on(ask, count, warnings):
    evidence = HEALTHY._replace(probabilities=probabilities([150, 150 - count, count]))
    assert len(ask(CollapseWatch(), evidence)) == warnings


def test_a_warning_is_not_repeated_until_it_has_cleared(ask):
    watch, collapsed = CollapseWatch(), HEALTHY._replace(probabilities=probabilities([300, 0, 0]))
    assert [len(ask(watch, evidence)) for evidence in (collapsed, collapsed, HEALTHY, collapsed)] == [1, 0, 0, 1]


def test_loggers_that_take_alerts_are_told(ask):
    alerts = []
    takes = SimpleNamespace(log_alert=lambda *alert: alerts.append(alert))
    collapsed = HEALTHY._replace(probabilities=probabilities([300, 0, 0]))
    (text,) = ask(CollapseWatch(), collapsed, loggers=[object(), takes])
    assert alerts == [("warning", "Collapse watch: classes", text)]


def test_uneven_classes_are_told_though_each_is_there(ask):
    evidence = scored(evenness=0.6)._replace(probabilities=probabilities([250, 25, 25]))
    (text,) = ask(CollapseWatch(), evidence)
    assert "3 of 3 classes (few or none of: dog), and 83% are of class cat; evenness 0.60, real samples 0.99" in text


def test_data_that_are_uneven_themselves_are_no_collapse(ask):
    evidence = scored(evenness=0.6)._replace(probabilities=probabilities([250, 25, 25]), floor=REAL | {"evenness": 0.6})
    assert ask(CollapseWatch(), evidence) == []


def test_classes_of_another_classifier_are_no_sign(ask):
    assert ask(CollapseWatch(), HEALTHY._replace(probabilities=probabilities([300, 0]))) == []


@pytest.mark.parametrize("scores", [{"recall": 0.1}, {"coverage": 0.2}])
def test_samples_that_look_real_and_cover_little(ask, scores):
    (text,) = ask(CollapseWatch(), scored(**scores))
    ((name, value),) = scores.items()
    assert f"cover little of what real ones do ({name} {value:.2f}, real samples {REAL[name]:.2f})" in text
    assert ask(CollapseWatch(), scored(**scores, precision=0.1)) == []  # a run that has hardly begun


def test_metrics_of_another_extractor_are_found_by_its_name(ask):
    named = {f"{name}_pixels": value for name, value in {**HEALTHY.scores, "recall": 0.0}.items()}
    floor = {f"{name}_pixels": value for name, value in REAL.items()}
    assert len(ask(CollapseWatch(), Evidence(named, floor=floor, suffix="_pixels"))) == 1


@pytest.mark.parametrize("accuracy, said", [(0.995, "told real from generated"), (0.004, "worse than guessing")])
def test_a_pinned_discriminator_is_told_after_three_evaluations(ask, accuracy, said):
    watch = CollapseWatch()
    assert ask(watch, accuracy=accuracy) == ask(watch, accuracy=accuracy) == []
    (text,) = ask(watch, accuracy=accuracy)
    assert said in text
    assert ask(watch, accuracy=accuracy) == []


@pytest.mark.parametrize("series", [(1.0, 0.98, 1.0, 1.0), (0.0, 0.02, 0.0, 0.0), (0.0, 1.0, 0.0, 1.0)])
def test_a_discriminator_that_is_not_always_right_is_not_pinned(ask, series):
    watch = CollapseWatch()
    assert not any(ask(watch, accuracy=accuracy) for accuracy in series)


def test_only_the_first_rank_speaks(ask):
    assert ask(CollapseWatch(), HEALTHY._replace(probabilities=probabilities([300, 0, 0])), rank=1) == []


def test_a_resumed_run_remembers_what_it_said_and_saw(ask):
    watch, collapsed = CollapseWatch(), HEALTHY._replace(probabilities=probabilities([300, 0, 0]))
    for _ in range(2):
        ask(watch, collapsed, accuracy=1.0)
    resumed = CollapseWatch()
    resumed.load_state_dict(watch.state_dict())
    (text,) = ask(resumed, collapsed, accuracy=1.0)
    assert "told real from generated" in text


def test_scores_that_are_not_numbers_are_no_sign(ask):
    assert ask(CollapseWatch(), scored(recall=float("nan"), coverage=float("nan"), evenness=float("nan"))) == []
