from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from datamodules.sources import Split, Tensors
from datamodules.utterances import Utterances, UtteranceSplit
from lightning_gans.core.rng import stream
from lightning_gans.evaluation.disentanglement import Disentanglement, halves, targets

CONTENTS, SPEAKERS = 4, 3


def split(name, n, *, labelled=True):
    """Samples whose first four numbers say the content and whose last three the speaker, with noise."""
    speaker = torch.arange(SPEAKERS).repeat_interleave(n)
    content = torch.arange(CONTENTS).repeat(n * SPEAKERS // CONTENTS)
    x = torch.cat([one_hot(content, CONTENTS), one_hot(speaker, SPEAKERS)], dim=1).float()
    x += 0.05 * torch.randn(x.shape, generator=stream(name))
    return UtteranceSplit(Utterances(x, content if labelled else None, speaker), lambda raw: raw)


class Data:
    def __init__(self, **options):
        self.splits = {"train": split("train", 80, **options)}
        self.splits |= {name: split(name, 40, **options) for name in ("validation", "test")}

    def split(self, name):
        return self.splits[name]


class Model(nn.Module):
    """Converts as told; its codes are the true parts of a sample, or all of it."""

    def __init__(self, convert, *, leaks=False):
        super().__init__()
        self.convert, self.leaks = convert, leaks

    def content(self, x):
        return x if self.leaks else x[:, :CONTENTS]

    def speaker(self, x):
        return x[:, CONTENTS:]


def swap(x, like):
    return torch.cat([x[:, :CONTENTS], like[:, CONTENTS:]], dim=1)


def figures(model, data, split="validation"):
    """The scores, whose standard errors are told beside them."""
    scores = Disentanglement()(model, data, split)
    errors = {name: scores.pop(f"{name}_se") for name in list(scores) if not name.endswith("_se")}
    assert set(errors) == set(scores)
    n = len(data.split(split))
    assert errors == pytest.approx({name: (value * (1 - value) / n) ** 0.5 for name, value in scores.items()})
    return scores


def test_what_is_told_apart_scores_high_and_leaks_nothing():
    scores = figures(Model(swap), Data())
    assert set(scores) == {
        *("content_probe", "speaker_probe", "speaker_from_content"),
        *("converted_content", "converted_speaker", "converted"),
        *("speaker_eer", "content_eer"),
    }
    assert scores.pop("speaker_eer") < 0.03
    assert abs(scores.pop("content_eer") - 0.5) < 0.1
    assert abs(scores.pop("speaker_from_content") - 1 / SPEAKERS) < 0.12
    assert min(scores.values()) > 0.97


def test_a_code_that_says_who_speaks_is_found_out():
    assert figures(Model(swap, leaks=True), Data(), "test")["speaker_from_content"] > 0.97


class Fresh(Data):
    """Data that make further samples; those of the training split are of no use."""

    def __init__(self):
        super().__init__()
        self.splits["fresh"] = split("fresh", 120)

    def fresh(self):
        return self.splits["fresh"]


class Watched(Model):
    """Remembers whose codes were asked for."""

    def __init__(self):
        super().__init__(swap, leaks=True)
        self.asked = []

    def content(self, x):
        self.asked.append(len(x))
        return super().content(x)


@pytest.mark.parametrize("data, fitted", [(Data(), 60), (Fresh(), 360)])
def test_probes_see_no_code_of_a_training_sample(data, fitted):
    model = Watched()
    scores = figures(model, data)
    assert scores["speaker_from_content"] > 0.97
    assert set(model.asked) == {fitted, 120}  # each half of what is held out, or fresh ones; and all that is held out


def test_the_accuracy_of_each_probe_is_told_of_the_test_split():
    assert "speaker_from_content_linear" not in figures(Model(swap), Data())
    scores = figures(Model(swap), Data(), "test")
    found = [scores[f"speaker_from_content_{probe}"] for probe in ("linear", "perceptron", "neighbours", "forest")]
    assert scores["speaker_from_content"] == max(found)
    assert "speaker_from_content_lookup" not in scores  # no code occurs twice


def test_halves_have_as_many_samples_of_each_speaker():
    speaker = torch.tensor([0] * 7 + [1] * 4 + [2] * 9)
    a, b = halves(speaker)
    assert torch.cat([a, b]).sort().values.tolist() == list(range(20))
    counts = [torch.bincount(speaker[half]) for half in (a, b)]
    assert (counts[0] - counts[1]).abs().max() <= 1
    assert torch.equal(halves(speaker)[0], a)


@pytest.mark.parametrize("convert, kept, spoken", [(lambda x, like: x, 1, 0), (lambda x, like: like, 0.25, 1)])
def test_one_half_of_a_conversion_is_not_the_other(convert, kept, spoken):
    scores = figures(Model(convert), Data())
    assert scores["converted_content"] == pytest.approx(kept, abs=0.12)
    assert scores["converted_speaker"] == pytest.approx(spoken, abs=0.02)
    assert scores["converted"] == pytest.approx(kept * spoken, abs=0.12)


def test_without_labels_only_speakers_are_measured():
    scores = figures(Model(swap), Data(labelled=False))
    assert set(scores) == {
        *("speaker_probe", "speaker_from_content", "converted_speaker"),
        *("speaker_eer", "content_eer"),
    }


def test_classifiers_of_real_samples_are_fitted_once(monkeypatch):
    measure, data = Disentanglement(), Data()
    first = measure(Model(swap), data, "validation")
    assert measure._recognisers(data) is measure._recognisers(data)
    assert measure(Model(swap), data, "validation") == first


def test_other_models_are_not_measured():
    data = SimpleNamespace(split=lambda name: Split(Tensors(torch.zeros(1, 2)), lambda raw: raw))
    assert Disentanglement()(nn.Linear(2, 2), data, "validation") == {}


def test_targets_are_other_speakers_utterances_and_always_the_same():
    speaker = torch.tensor([0, 2, 1, 0, 2, 2, 1, 0])
    chosen = targets(speaker)
    assert (speaker[chosen] != speaker).all()
    assert torch.equal(targets(speaker), chosen)
    assert len(targets(torch.arange(2).repeat(50)).unique()) > 20
