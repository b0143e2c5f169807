"""Bounds bound: against quadrature over a code of one number, and against a linear model's closed form."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from lightning_gans.core.prior import Normal, Uniform
from lightning_gans.core.protocols import Evaluates, Reconstructs, Traverses
from lightning_gans.core.rng import isolated
from lightning_gans.models.likelihoods import Bernoulli, Gaussian
from lightning_gans.models.variational import ROWS, VariationalModel
from lightning_gans.networks.encoders import MLPEncoder
from lightning_gans.networks.mlp import MLPGenerator

IMAGES = torch.tensor(list(product([-1.0, 1.0], repeat=4))).view(16, 1, 2, 2)


def perceptrons(shape=(1, 2, 2), *, dim=1, likelihood=None, width=8, depth=1, batch_norm=False):
    with isolated("networks"):
        model = VariationalModel(
            generator=MLPGenerator(
                latent_dim=dim, sample_shape=shape, width=width, depth=depth, batch_norm=batch_norm, output="linear"
            ),
            prior=Normal(dim=dim),
            encoder=MLPEncoder(
                sample_shape=shape, code_dim=dim, width=width, depth=depth, batch_norm=batch_norm, moments=2
            ),
            likelihood=likelihood or Bernoulli(),
        )
    for parameter in model.generator.parameters():
        parameter.data *= 3  # so that codes matter
    return model.double()


@torch.no_grad()
def by_quadrature(model, images):
    """log of the integral of p(x | z) p(z) over a code of one number."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    z, log_weights = torch.from_numpy(nodes)[:, None], torch.from_numpy(weights / weights.sum()).log()
    outputs = model.generator(z)
    rows = [model.likelihood.log_prob(outputs, x.expand(200, *x.shape)) + log_weights for x in images.double()]
    return torch.stack(rows).logsumexp(1)


def test_quadrature_finds_a_distribution_over_the_sixteen_images():
    assert by_quadrature(perceptrons(), IMAGES).exp().sum().item() == pytest.approx(1, abs=1e-10)


def test_importance_sampling_finds_the_likelihood():
    model = perceptrons()
    found, expected = model.log_likelihood(IMAGES, samples=20_000), by_quadrature(model, IMAGES)
    assert expected.std() > 0.5
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)
    assert found.exp().sum().item() == pytest.approx(1, abs=0.01)


def test_more_samples_bound_it_tighter():
    model = perceptrons()
    exact = by_quadrature(model, IMAGES)
    gaps = [
        torch.stack([exact - model.log_likelihood(IMAGES, samples=samples, seed=seed) for seed in range(10)]).mean()
        for samples in (1, 4, 40)
    ]
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0


@torch.no_grad()
def test_the_elbo_is_the_bound_of_one_sample():
    model = perceptrons()
    nodes, weights = (torch.from_numpy(array) for array in np.polynomial.hermite_e.hermegauss(100))
    elbo = torch.empty(16).double()
    for i, x in enumerate(IMAGES.double()):
        log_prob, kl = model.elbo(x.expand(100, *x.shape), nodes[:, None])
        elbo[i] = (log_prob - kl.sum(1)) @ weights / weights.sum()
    assert (elbo < by_quadrature(model, IMAGES) - 0.01).all()
    sampled = torch.stack([model.log_likelihood(IMAGES, samples=1, seed=seed) for seed in range(20)])
    error = (sampled - elbo).std().item() / sampled.numel() ** 0.5
    assert (sampled - elbo).mean().item() == pytest.approx(0, abs=3 * error)
    assert error < 0.3


def principal(std=0.5):
    """x = W z + mean + std e, the columns of W orthogonal, and its exact posterior as encoder: (model, log p)."""
    generator = torch.Generator().manual_seed(3)
    frame = torch.linalg.qr(torch.randn(5, 2, generator=generator).double()).Q
    w, mean = frame * torch.tensor([2.0, 0.7]), torch.randn(5, generator=generator).double()
    model = perceptrons((5,), dim=2, likelihood=Gaussian(std=std), depth=0)
    scale = (w.T @ w).diagonal() + std**2  # M of Tipping and Bishop, diagonal here
    (decoder,) = [layer for layer in model.generator.layers if isinstance(layer, nn.Linear)]
    to_code = w.T / scale[:, None]
    with torch.no_grad():
        decoder.weight.copy_(w)
        decoder.bias.copy_(mean)
        model.encoder.head.weight.copy_(torch.cat([to_code, torch.zeros(2, 5)]))
        model.encoder.head.bias.copy_(torch.cat([-to_code @ mean, (std**2 / scale).log()]))
    covariance = w @ w.T + std**2 * torch.eye(5).double()
    return model, partial(torch.distributions.MultivariateNormal(mean, covariance).log_prob)


def test_with_the_exact_posterior_every_weight_is_the_likelihood():
    model, log_prob = principal()
    x = torch.randn(7, 5, generator=torch.Generator().manual_seed(4)).double() * 2
    for samples in (1, 50):
        torch.testing.assert_close(model.log_likelihood(x, samples=samples), log_prob(x), atol=1e-6, rtol=0)
    with torch.no_grad():
        noise = torch.randn(7, 2, generator=torch.Generator().manual_seed(5)).double()
        parts, kl = model.elbo(x.repeat(2, 1), torch.cat([noise, -noise]))
    elbo = (parts - kl.sum(1)).view(2, 7).mean(0)
    assert elbo.mean().item() == pytest.approx(log_prob(x).mean().item(), abs=1.0)  # a sample each
    # Another posterior makes weights scatter, and a bound of them.
    with torch.no_grad():
        model.encoder.head.bias[2:] += 0.5
    assert (model.log_likelihood(x, samples=1) - log_prob(x)).abs().max() > 0.1


# Randomness and memory


@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_estimate_is_keyed_by_seed_and_index(batch_norm):
    model = perceptrons(batch_norm=batch_norm).train()
    x = torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    whole = model.log_likelihood(x, samples=5, seed=1)
    parts = [model.log_likelihood(part, samples=5, seed=1, start=start) for start, part in ((0, x[:2]), (2, x[2:]))]
    assert torch.equal(torch.cat(parts), whole)
    assert whole.dtype == torch.float64
    assert not whole.requires_grad
    assert model.training
    assert not torch.equal(model.log_likelihood(x, samples=5, seed=2), whole)
    assert not torch.equal(model.log_likelihood(x[:1], samples=5, seed=1, start=1), whole[:1])


def test_what_is_drawn_of_grey_images_is_keyed_as_well():
    model, grey = perceptrons(), torch.zeros(64, 1, 2, 2)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()  # q is the prior, whatever is seen
        for parameter in model.generator.parameters():
            parameter.zero_()
        model.generator.layers[-1].bias.copy_(torch.tensor([1.0, 1.0, 1.0, 1.0]))
    found = model.log_likelihood(grey, samples=1)
    lit = (found - 4 * torch.tensor(-1.0).double().sigmoid().log()).round()  # how many of the four are white
    assert sorted(set(lit.tolist())) == [0, 1, 2, 3, 4]
    assert torch.equal(model.log_likelihood(grey, samples=3), model.log_likelihood(grey, samples=3))


def test_codes_are_decoded_a_few_at_a_time():
    model, sizes = perceptrons(), []
    model.generator.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    model.log_likelihood(IMAGES[:2], samples=ROWS + 3)
    assert sizes == [ROWS, 3] * 2


# What it shows


def test_a_sample_is_the_mean_of_its_pixels():
    model = perceptrons()
    z = torch.zeros(1, 1).double()
    torch.testing.assert_close(model(z), 2 * model.generator(z).sigmoid() - 1)
    assert model.sample(3).abs().max() <= 1
    for protocol in (Evaluates, Reconstructs, Traverses):
        assert isinstance(model, protocol)


def test_codes_are_of_what_is_observed():
    model = perceptrons()
    grey = torch.tensor([-0.9, -0.2, 0.3, 0.8]).view(1, 1, 2, 2)
    binary = grey.sign()
    for of in (model.encode, model.features, model.reconstruct):
        assert torch.equal(of(grey), of(binary))
    unchanged = perceptrons(likelihood=Bernoulli(binarize=None))
    assert not torch.equal(unchanged.encode(grey), unchanged.encode(binary))


def test_batch_statistics_are_those_of_what_is_observed():
    model = perceptrons(batch_norm=True, depth=2)
    model.calibrate_on(torch.zeros(64, 1, 2, 2).double() for _ in range(3))
    (norm,) = [module for module in model.encoder.modules() if isinstance(module, nn.BatchNorm1d)]
    assert norm.running_var.max() > 1e-4  # of grey images that are all alike there would be none


def test_the_decoders_statistics_are_those_of_codes_of_samples():
    model = perceptrons(batch_norm=True)
    with torch.no_grad():
        model.encoder.head.weight.zero_()
        model.encoder.head.bias.copy_(torch.tensor([3.0, -20.0]))  # every code is 3
    model.eval().calibrate_on(torch.zeros(64, 1, 2, 2).double() for _ in range(2))
    linear, norm = model.generator.layers[:2]
    with torch.no_grad():
        expected = linear(torch.full((1, 1), 3.0).double())[0]
    torch.testing.assert_close(norm.running_mean, expected, atol=1e-3, rtol=0)
    assert not model.generator.training


def test_other_priors_are_refused():
    model = perceptrons()
    with pytest.raises(ValueError, match="prior=Uniform"):
        VariationalModel(
            generator=model.generator, prior=Uniform(dim=1), encoder=model.encoder, likelihood=model.likelihood
        )
