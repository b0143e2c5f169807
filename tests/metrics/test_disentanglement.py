import torch

from lightning_gans.core.rng import stream
from lightning_gans.metrics.disentanglement import Recogniser, fresh_probe_accuracy
from lightning_gans.metrics.representation import linear_probe_accuracy


def drawn(name, n=600):
    return torch.randn(n, 2, generator=stream("disentanglement", name))


def exclusive_or(x):
    return ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()


def test_a_probe_finds_what_is_not_linear():
    train, test = drawn("train"), drawn("test")
    labels = exclusive_or(train), exclusive_or(test)
    assert linear_probe_accuracy(train, labels[0], test, labels[1]) < 0.65
    assert fresh_probe_accuracy(train, labels[0], test, labels[1]) > 0.9


def test_a_probe_finds_what_is_written_small():
    train, test = drawn("train"), drawn("test")
    labels = (train[:, 1] > 0).long(), (test[:, 1] > 0).long()
    scale = torch.tensor([1.0, 1e-4])
    assert fresh_probe_accuracy(train * scale, labels[0], test * scale, labels[1]) > 0.95


def test_a_probe_of_what_is_not_there_is_at_chance():
    train, test = drawn("train"), drawn("test")
    labels = [torch.arange(600) % 3] * 2
    assert abs(fresh_probe_accuracy(train, labels[0], test, labels[1]) - 1 / 3) < 0.07


def test_recognisers_are_the_same_every_time():
    train, test = drawn("train"), drawn("test")
    first, second = (Recogniser(train[:, :, None], exclusive_or(train))(test[:, :, None]) for _ in range(2))
    assert first.dtype == torch.int64
    assert torch.equal(first, second)
