import logging
from types import SimpleNamespace

import pytest
import torch

from lightning_gans.callbacks.collapse import CollapseWatch
from lightning_gans.core.events import EvaluationListener, Evidence


def normal(n, d, *, scale=1.0, seed=0):
    return scale * torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def probabilities(counts):
    """One-hot rows: counts[k] samples of class k."""
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return torch.nn.functional.one_hot(labels, len(counts)).float()


REAL = normal(400, 4, seed=1)
HEALTHY = Evidence({}, normal(300, 4), probabilities([100, 100, 100]), REAL)


@pytest.fixture
def ask(caplog):
    """Show the watch an evaluation; the warnings that it gives."""

    def ask(watch, evidence=HEALTHY, *, accuracy=0.8, rank=0, iteration=500):
        trainer = SimpleNamespace(is_global_zero=rank == 0, datamodule=SimpleNamespace(classes=("cat", "dog", "owl")))
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


@pytest.mark.parametrize("scale, warnings", [(0.38, 0), (0.28, 1), (0.0, 1)])
def test_samples_that_are_too_near_to_each_other(ask, scale, warnings):
    texts = ask(CollapseWatch(), HEALTHY._replace(features=normal(300, 4, scale=scale)))
    assert len(texts) == warnings
    assert all("as far from each other as real ones" in text for text in texts)


def test_real_samples_sorted_by_class_are_seen_whole(ask):
    # two clusters, one after the other: the first rows alone would look narrow
    real = torch.cat([normal(2000, 2, scale=0.1), normal(2000, 2, scale=0.1, seed=1) + 10])
    narrow = Evidence({}, normal(4000, 2, scale=0.5), None, real)
    assert len(ask(CollapseWatch(), narrow)) == 1


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


def test_features_that_are_not_numbers_are_no_sign(ask):
    assert ask(CollapseWatch(), HEALTHY._replace(features=torch.full((300, 4), float("nan")))) == []
