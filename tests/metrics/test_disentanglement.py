import pytest
import torch

from lightning_gans.core.rng import stream
from lightning_gans.metrics.disentanglement import (
    Lookup,
    Recogniser,
    discrete,
    equal_error_rate,
    probe_accuracies,
    strongest,
)
from lightning_gans.metrics.representation import linear_probe_accuracy


def drawn(name, n=600):
    return torch.randn(n, 2, generator=stream("disentanglement", name))


def exclusive_or(x):
    return ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()


def read(train, train_labels, test, test_labels):
    return probe_accuracies([(train, train_labels)], [(test, test_labels)])


def best(*arguments):
    accuracies = read(*arguments)
    return accuracies[strongest(accuracies)].value


def codes_of(name, n, levels=7):
    """Discrete codes that name one of three speakers, but no smooth function of them does."""
    codes = torch.randint(levels, (n, 3), generator=stream("codes", name))
    number = codes @ torch.tensor([1, levels, levels**2])
    speaker = torch.randint(3, (levels**3,), generator=stream("speakers of codes"))
    return codes / (levels - 1) * 2 - 1, speaker[number]


def test_a_probe_finds_what_is_not_linear():
    train, test = drawn("train"), drawn("test")
    labels = exclusive_or(train), exclusive_or(test)
    assert linear_probe_accuracy(train, labels[0], test, labels[1]) < 0.65
    assert best(train, labels[0], test, labels[1]) > 0.9


def test_a_probe_finds_what_is_written_small():
    train, test = drawn("train"), drawn("test")
    labels = (train[:, 1] > 0).long(), (test[:, 1] > 0).long()
    scale = torch.tensor([1.0, 1e-4])
    assert best(train * scale, labels[0], test * scale, labels[1]) > 0.95


def test_a_probe_of_what_is_not_there_is_at_chance():
    train, test = drawn("train"), drawn("test")
    labels = [torch.arange(600) % 3] * 2
    assert abs(best(train, labels[0], test, labels[1]) - 1 / 3) < 0.07


def test_a_lookup_finds_what_exact_codes_say():
    (train, known), (test, wanted) = codes_of("train", 2000), codes_of("test", 500)
    found = read(train, known, test, wanted)
    assert found["lookup"].value > 0.95
    assert found["linear"].value < 0.5
    assert found["perceptron"].value < 0.6  # as much of a leak as the probe of smooth functions saw
    assert strongest(found) in ("lookup", "forest")
    assert found["lookup"].error == pytest.approx((found["lookup"].value * (1 - found["lookup"].value) / 500) ** 0.5)


def test_codes_that_do_not_repeat_have_no_lookup():
    train, test = drawn("train"), drawn("test")
    assert discrete(torch.randint(3, (100, 2, 1)))
    assert not discrete(train)
    assert "lookup" not in read(train, exclusive_or(train), test, exclusive_or(test))


def test_a_lookup_gives_the_most_frequent_class_to_an_unknown_code():
    lookup = Lookup(torch.tensor([[0.0], [0.0], [0.0], [1.0], [1.0]]), torch.tensor([2, 2, 0, 0, 0]))
    assert lookup(torch.tensor([[0.0], [1.0], [5.0]])).tolist() == [2, 0, 0]


def test_accuracies_are_over_all_folds_together():
    train, test = drawn("train"), drawn("test")[:100]
    labels = exclusive_or(train), exclusive_or(test)
    folds = [(train, labels[0])] * 2, [(test, labels[1]), (test[:50], 1 - labels[1][:50])]
    one, two = read(train, labels[0], test, labels[1]), probe_accuracies(*folds)
    half = read(train, labels[0], test[:50], labels[1][:50])
    assert two["forest"].value == pytest.approx((100 * one["forest"].value + 50 * (1 - half["forest"].value)) / 150)


def test_probes_are_the_same_every_time_and_need_no_five_samples():
    train, test = drawn("train")[:4], drawn("test")
    labels = torch.tensor([0, 1, 0, 1]), exclusive_or(test)
    assert read(train, labels[0], test, labels[1]) == read(train, labels[0], test, labels[1])


def test_recognisers_are_the_same_every_time():
    train, test = drawn("train"), drawn("test")
    first, second = (Recogniser(train[:, :, None], exclusive_or(train))(test[:, :, None]) for _ in range(2))
    assert first.dtype == torch.int64
    assert torch.equal(first, second)


def test_the_equal_error_rate_is_where_both_kinds_of_errors_meet():
    def directions(*degrees):
        angle = torch.tensor(degrees).deg2rad()
        return torch.stack([angle.cos(), angle.sin()], 1)

    speaker = torch.tensor([0, 0, 1, 1])
    assert equal_error_rate(directions(0.0, 5.0, 90.0, 95.0), speaker).value == 0
    assert equal_error_rate(directions(0.0, 90.0, 0.0, 90.0), speaker).value == pytest.approx(0.75)
    # pairs of one speaker: 10 and 32 degrees; of two: 18, 28, 50, 60. Up to 28, one of two and two of four are wrong
    code = directions(0.0, 10.0, 28.0, 60.0)
    found = equal_error_rate(code, speaker)
    assert found.value == pytest.approx(0.5)
    assert found.error == pytest.approx((found.value * (1 - found.value) / 4) ** 0.5)
    noise = torch.randn(300, 8, generator=stream("noise"))
    assert equal_error_rate(noise, torch.arange(300) % 5).value == pytest.approx(0.5, abs=0.02)
