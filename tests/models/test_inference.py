"""A generator with an encoder: codes and back, without touching the mode or keeping a graph."""

import pytest
import torch
from torch import nn

from lightning_gans.core.prior import Normal
from lightning_gans.core.protocols import Calibrates, Encodes, Reconstructs, Samples, Traverses
from lightning_gans.models import GenerativeModel
from lightning_gans.models.inference import AutoencodingModel, GaussianInferenceModel, InferenceModel
from lightning_gans.models.vaegan import VAEGANModel


class Scale(nn.Module):
    """x = factor z, linear in its features: the thing itself."""

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))
        self.features = nn.Identity()

    def forward(self, z):
        return self.factor * z


class Moments(nn.Module):
    features = nn.Identity()

    def forward(self, x):
        return torch.cat([x / 2, x - 1], dim=1)


def model():
    return InferenceModel(generator=Scale(2.0), prior=Normal(dim=3), encoder=Scale(0.25))


def test_what_it_can_do():
    assert all(isinstance(model(), ability) for ability in (Samples, Encodes, Reconstructs, Traverses, Calibrates))
    generator = GenerativeModel(generator=Scale(2.0), prior=Normal(dim=3))
    assert not any(isinstance(generator, ability) for ability in (Encodes, Reconstructs, Traverses))


def test_codes_and_back():
    x = torch.randn(130, 3)  # more than one chunk
    assert torch.equal(model().encode(x), x / 4)
    assert torch.equal(model().features(x), x)
    assert torch.equal(model().reconstruct(x), x / 2)
    assert not model().reconstruct(x).requires_grad
    assert model().code(x).requires_grad


def test_paths_run_straight_from_one_code_to_the_other():
    a, b = torch.randn(2, 5, 3)
    paths = model().between(a, b, 3)
    assert paths.shape == (5, 3, 3)
    torch.testing.assert_close(paths[:, 0], a / 2)
    torch.testing.assert_close(paths[:, 1], (a + b) / 4)  # 0.5 a + 0.5 b, decoded
    torch.testing.assert_close(paths[:, 2], b / 2)


def test_a_traversal_moves_one_number_at_a_time():
    made = model().traverse(5, seed=1, start=70)
    assert made.shape == (3, 5, 3)
    code = model().sample(1, seed=1, start=70)[0] / 2
    for i, row in enumerate(made / 2):
        torch.testing.assert_close(row[:, i], torch.linspace(-2, 2, 5))
        others = [j for j in range(3) if j != i]
        assert torch.equal(row[:, others], code[others].expand(5, -1))


def test_a_gaussian_code_is_the_mean():
    gaussian = GaussianInferenceModel(generator=Scale(2.0), prior=Normal(dim=3), encoder=Moments())
    x = torch.randn(4, 3)
    mean, log_variance = gaussian.posterior(x)
    assert torch.equal(gaussian.encode(x), mean)
    assert torch.equal(mean, x / 2)
    assert torch.equal(log_variance, x - 1)


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_stays_as_it_was_and_within_is_evaluation(training):
    class Spy(nn.Module):
        features, seen = nn.Identity(), []

        def forward(self, x):
            self.seen.append(self.training)
            return x

    spied = InferenceModel(generator=Scale(1.0), prior=Normal(dim=3), encoder=Spy()).train(training)
    spied.encode(torch.randn(2, 3))
    assert spied.training is training
    assert Spy.seen[-1] is False


def test_generator_and_encoder_are_calibrated_apart():
    generator, encoder = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    both = InferenceModel(generator=generator, prior=Normal(dim=3), encoder=encoder)
    batches = [torch.randn(64, 3) * 3 + 5 for _ in range(4)]
    both.calibrate_on(batches)
    both.calibrate()
    means = torch.stack([batch.mean(0) for batch in batches]).mean(0)
    torch.testing.assert_close(encoder.running_mean, means)
    assert generator.running_mean.abs().max() < 0.2


def test_what_only_decodes_codes_is_calibrated_on_codes():
    generator = nn.BatchNorm1d(3)
    model = AutoencodingModel(generator=generator, prior=Normal(dim=3), encoder=Scale(0.25)).eval()
    batches = [torch.randn(64, 3) * 3 + 5 for _ in range(4)]
    model.calibrate()
    model.calibrate_on(batches)
    codes = torch.stack([batch.mean(0) for batch in batches]).mean(0) / 4
    torch.testing.assert_close(generator.running_mean, codes)
    assert not generator.training


def test_what_decodes_two_kinds_of_codes_is_calibrated_on_both():
    generator = nn.BatchNorm1d(3)
    model = VAEGANModel(generator=generator, prior=Normal(dim=3), encoder=Moments()).eval()
    batches = [torch.randn(256, 3) - 4 for _ in range(4)]  # codes with a mean of -2 and hardly any deviation
    model.calibrate()
    model.calibrate_on(batches)
    torch.testing.assert_close(generator.running_mean, torch.full((3,), -1.0), atol=0.1, rtol=0)
    assert not generator.training
    seen = generator.running_mean.clone()
    model.calibrate_on(batches)
    assert torch.equal(seen, generator.running_mean)  # the same codes every time


def test_codes_of_both_kinds_are_normed_together():
    model = VAEGANModel(generator=nn.BatchNorm1d(3, affine=False), prior=Normal(dim=3), encoder=Moments()).train()
    z, z_p = torch.randn(64, 3) + 4, torch.randn(64, 3)
    reconstructed, generated = model.decoded(z, z_p)
    assert (reconstructed.mean(0) > 0.5).all()
    assert (generated.mean(0) < -0.5).all()
