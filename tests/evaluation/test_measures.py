"""Measures of models that can do more than sample."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.evaluation.likelihood import likelihood
from lightning_gans.evaluation.measures import measures
from lightning_gans.evaluation.probes import categories, representation
from lightning_gans.evaluation.reconstruction import reconstruction


class Split:
    def __init__(self, x, labels):
        self.x, self.labels = x, labels

    def __len__(self):
        return len(self.x)

    def at_most(self, n):
        return Split(self.x[:n], None if self.labels is None else self.labels[:n])

    def batches(self, size):
        for start in range(0, len(self), size):
            yield SampleBatch(self.x[start : start + size], None)


def data(labels=True, n=3000):
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(3, (n,), generator=generator)
    x = torch.randn(n, 2, generator=generator) * 0.1 + torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])[y]
    return SimpleNamespace(split=lambda name: Split(x, y if labels else None))


class Half(nn.Module):
    """Reconstructs the half of what it is shown; its code knows everything, its features nothing."""

    categories = 3

    def encode(self, x):
        return x

    def features(self, x):
        return torch.zeros(len(x), 1)

    def calibrate_on(self, batches):
        raise AssertionError

    def reconstruct(self, x):
        return x / 2

    def between(self, a, b, steps):
        raise AssertionError

    def category(self, x):
        return torch.where(x[:, 0] > 2, 1, torch.where(x[:, 1] > 2, 0, 2))

    def log_likelihood(self, x, *, samples, seed=0, start=0):
        self.asked = [*getattr(self, "asked", []), (len(x), samples, start)]
        return torch.arange(start, start + len(x), dtype=torch.float64)


def test_nothing_is_measured_of_a_model_that_only_samples():
    assert [measure(nn.Identity(), data(), "test") for measure in measures()] == [{}] * len(measures())


def test_the_error_of_reconstructions_and_of_random_pairs():
    x = data().split("test").x
    found = reconstruction(Half(), data(), "test")
    assert found["reconstruction_mse"] == pytest.approx((x / 2).square().mean().item())
    pairs = (x[torch.randperm(len(x))] - x).square().mean().item()
    assert found["reconstruction_ratio"] == pytest.approx(found["reconstruction_mse"] / pairs, rel=0.05)


def test_features_and_codes_are_probed_apart():
    found = representation(Half(), data(), "validation")
    assert found["code_knn_accuracy"] == found["code_probe_accuracy"] == 1.0
    assert found["probe_accuracy"] < 0.5
    assert found["knn_accuracy"] < 0.5
    assert representation(Half(), data(labels=False), "validation") == {}


def test_categories_are_matched_to_classes():
    whole = {"code_accuracy": 1.0, "code_accuracy_se": 0.0, "code_classes": 3.0, "nmi": pytest.approx(1.0)}
    assert categories(Half(), data(), "test") == whole
    assert categories(Half(), data(labels=False), "test") == {}


def nll(n):
    """Negative log-likelihood of samples whose log-likelihoods are 0 ... n - 1."""
    return {"nll": pytest.approx(-(n - 1) / 2), "nll_se": pytest.approx((n * (n + 1) / 12) ** 0.5 / n**0.5, rel=1e-6)}


def test_densities_are_estimated_on_fewer_samples_while_training_goes_on():
    model = Half()
    assert likelihood(model, data(), "validation") == nll(500)
    assert model.asked == [(256, 64, 0), (244, 64, 256)]
    assert likelihood(model, data(), "test") == nll(3000)
    assert model.asked[-1] == (3000 - 11 * 256, 128, 11 * 256)
