"""Kingma & Welling 2013: what is descended, what it reaches on a linear model, and what does not fit."""

from functools import partial
from math import log, pi

import pytest
import torch

from experiments.jobs.preflight import preflight
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.core.schedules import Cosine
from lightning_gans.models.inference import GaussianInferenceModel
from lightning_gans.models.likelihoods import Bernoulli, Gaussian
from lightning_gans.models.variational import VariationalModel
from lightning_gans.networks.encoders import MLPEncoder
from lightning_gans.networks.mlp import MLPGenerator
from lightning_gans.strategies.player_ddp import PlayerDDPStrategy
from lightning_gans.variants.vae import VAE
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play
from tests.helpers.ranks import on_ranks

LIKELIHOODS = "gaussian", "bernoulli", "categorical"


def vae(shape=(5,), *, dim=2, likelihood=None, width=8, depth=0, iterations=1, rate=1e-2, batch=8, **settings):
    adam = PlayerSettings(
        optimizer=partial(torch.optim.Adam, lr=rate),
        schedule=partial(Cosine, iterations=iterations, end_factor=0.01),
    )
    with isolated("networks"):
        model = VariationalModel(
            generator=MLPGenerator(
                latent_dim=dim, sample_shape=shape, width=width, depth=depth, batch_norm=False, output="linear"
            ),
            prior=Normal(dim=dim),
            encoder=MLPEncoder(sample_shape=shape, code_dim=dim, width=width, depth=depth, batch_norm=False, moments=2),
            likelihood=likelihood or Gaussian(std=1.0, learned=True),
        )
    training = Training(iterations=iterations, batch_size=batch, players={"VAE": adam})
    return VAE(model=model, training=training, **settings)


def batch(n=8, *shape, seed=0):
    return SampleBatch(torch.randn(n, *(shape or (5,)), generator=torch.Generator().manual_seed(seed)))


def descended(game, x):
    """The terms on a batch, each with its gradient by parameter name, and what was monitored."""
    game.setup("fit")
    game.draws.start(0, 0, 0)
    terms = game.loss(x)
    names, parameters = zip(*game.model.named_parameters(), strict=True)
    gradients = {
        term: dict(
            zip(names, torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True), strict=True)
        )
        for term, loss in terms.items()
    }
    return {name: loss.item() for name, loss in terms.items()}, gradients, game.read_losses()


def test_terms_are_sums_over_the_sample_and_means_over_the_batch():
    game, x = vae(), batch()
    terms, _, monitored = descended(game, x)
    with torch.no_grad():
        mean, log_variance = game.model.encoder(x.x).chunk(2, 1)
        game.draws.start(0, 0, 0)
        z = mean + (log_variance / 2).exp() * game.draws.normal(8, 2)
        distribution = torch.distributions.Normal(game.model.generator(z), 1.0)
        reconstruction = -distribution.log_prob(x.x).sum() / 8
        kl = (mean**2 + log_variance.exp() - 1 - log_variance).sum() / 2 / 8
    assert terms == {
        "reconstruction": pytest.approx(reconstruction.item(), rel=1e-5),
        "kl": pytest.approx(kl.item(), rel=1e-5),
    }
    assert monitored["VAE/elbo"] == pytest.approx(-(reconstruction + kl).item(), rel=1e-5)


def test_beta_weighs_the_kl_and_nothing_else():
    x = batch()
    once, once_gradients, once_monitored = descended(vae(), x)
    thrice, thrice_gradients, thrice_monitored = descended(vae(beta=3.0), x)
    assert thrice["kl"] == pytest.approx(3 * once["kl"], rel=1e-6)
    assert thrice["reconstruction"] == once["reconstruction"]
    for name, gradient in once_gradients["kl"].items():
        torch.testing.assert_close(thrice_gradients["kl"][name], 3 * gradient)
        assert torch.equal(thrice_gradients["reconstruction"][name], once_gradients["reconstruction"][name])
    assert thrice_monitored == once_monitored  # the bound and the KL as they are


def test_terms_reach_whom_they_are_of():
    _, gradients, _ = descended(vae(), batch())
    moved = {term: {name for name, g in found.items() if g.abs().max() > 0} for term, found in gradients.items()}
    assert moved["kl"] == {name for name in gradients["kl"] if name.startswith("encoder.")}
    assert moved["reconstruction"] == set(gradients["reconstruction"])


def test_free_bits_leave_the_encoder_alone_below_them():
    x = batch()
    raw, _, monitored = descended(vae(), x)
    free, gradients, free_monitored = descended(vae(free_bits=10.0), x)
    assert max(gradient.abs().max().item() for gradient in gradients["kl"].values()) == 0
    assert free["kl"] == pytest.approx(2 * 10.0)
    assert free_monitored == monitored
    assert monitored["VAE/rate"] == pytest.approx(raw["kl"])
    few, gradients, _ = descended(vae(free_bits=1e-9), x)
    assert few["kl"] == pytest.approx(raw["kl"])
    assert max(gradient.abs().max().item() for gradient in gradients["kl"].values()) > 0


def test_binary_images_are_drawn_anew_each_time():
    game = vae((1, 2, 2), likelihood=Bernoulli())
    seen = []
    game.model.encoder.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    game.setup("fit")
    for iteration in (0, 0, 1):
        game.draws.start(iteration, 0, 0)
        game.loss(SampleBatch(torch.zeros(8, 1, 2, 2)))
    assert seen[0].unique().tolist() == [-1.0, 1.0]
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])


# Probabilistic PCA (Tipping and Bishop 1999): the bound of a linear model is tight at its optimum.


def most_likely(x, dim):
    """Mean log-likelihood of points (N, d) under the best linear model, by its eigenvalues, and its deviation."""
    values = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    variance = values[dim:].mean()
    d = x.shape[1]
    log_determinant = values[:dim].log().sum() + (d - dim) * variance.log()
    return -(d * log(2 * pi) + log_determinant + d).item() / 2, variance.sqrt().item()


def test_a_linear_game_reaches_the_likelihood_of_probabilistic_pca(tmp_path):
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(2, 5, generator=generator)
    x = torch.randn(512, 2, generator=generator) @ mixing + 0.4 * torch.randn(512, 5, generator=generator)
    best, std = most_likely(x.double(), 2)
    game = vae(iterations=1200, rate=3e-2, batch=512)
    play(game, [SampleBatch(x)] * 1200, tmp_path)
    found = (
        game.model.log_likelihood(x[:256], samples=1).mean()
        + game.model.log_likelihood(x[256:], samples=1, start=256).mean()
    )
    assert found.item() / 2 == pytest.approx(best, abs=0.02)
    assert game.model.likelihood.log_std.exp().item() == pytest.approx(std, rel=0.02)
    assert game.read_losses()["VAE/elbo"] < best


# The configuration


@pytest.mark.parametrize("network", ["vae", "vae_mlp"])
@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_every_likelihood_goes_with_every_network(network, likelihood, tmp_path):
    config = composed("vae", f"likelihood={likelihood}", f"network={network}", "data.channels=3", iterations=2)
    game = play(game_of(config), data_of(config), tmp_path)
    x = next(iter(data_of(config).split("validation").batches(3))).x
    model = game.evaluated_model()
    assert model.sample(2).shape == (2, 3, 8, 8)
    assert model.sample(2).abs().max() <= 1
    log_prob = model.log_likelihood(x, samples=3)
    assert log_prob.isfinite().all()
    assert log_prob.shape == (3,)
    if likelihood != "gaussian":
        assert (log_prob < 0).all()
    assert model.reconstruct(x).shape == x.shape


@pytest.mark.parametrize(
    "argv, said",
    [
        ("variant=dcgan likelihood=bernoulli", ["likelihood= chooses nothing here"]),
        ("likelihood=bernouli", ["no such likelihood", "likelihood=bernoulli?"]),
        (
            "likelihood=bernoulli network.model.generator.output=tanh",
            ["is given logits", "say linear"],
        ),
        ("likelihood.binarize=round", ["likelihood.binarize", "there is no such setting"]),
        ("likelihood=bernoulli likelihood.binarize=round", ["stochastic or threshold"]),
        ("likelihood.std=0", ["likelihood.std=0 is out of range"]),
        ("variant.beta=-1", ["variant.beta=-1 is out of range"]),
        ("data=mnist data.image_size=28", ["network.model.generator.image_size=28", "8, 16, 32, 64 or 128"]),
        ("data.image_size=28", ["data.image_size=28 is no choice"]),
    ],
)
def test_what_does_not_fit_is_refused(argv, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = argv.split() if "variant=" in argv.split()[0] else ["variant=vae", *argv.split()]
    with pytest.raises(UserError) as caught:
        preflight(arguments)
    assert [words for words in said if words not in str(caught.value)] == []


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_a_run_is_named_by_its_likelihood(likelihood, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=vae", f"likelihood={likelihood}"])
    assert job.name == ("vae-digits-0" if likelihood == "gaussian" else f"vae-digits-{likelihood}-0")


def test_perceptrons_take_mnist_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=vae", "data=mnist", "network=vae_mlp", "likelihood=bernoulli", "data.image_size=28"])
    model = job.config["variant"]["model"]
    assert model["generator"]["sample_shape"] == model["encoder"]["sample_shape"] == [1, 28, 28]
    assert model["generator"]["output"] == "linear"


def test_a_model_without_likelihood_is_refused():
    model = vae().model
    other = GaussianInferenceModel(generator=model.generator, prior=model.prior, encoder=model.encoder)
    with pytest.raises(UserError, match=r"has no likelihood\. Say network=vae"):
        VAE(model=other, training=vae().training_settings)
    for name in ("beta", "free_bits"):
        with pytest.raises(UserError, match=rf"variant\.{name}=-1"):
            vae(**{name: -1})


# Free bits are of the whole batch.


def test_micro_batches_would_change_free_bits():
    config = composed("vae", "variant.free_bits=0.1", "variant.training.accumulate=2")
    with pytest.raises(UserError, match="accumulate=2"):
        game_of(config).setup("fit")
    game_of(composed("vae", "variant.training.accumulate=2")).setup("fit")


def _trained(folder, config):
    devices = config.get("devices", 2)
    options = {"devices": devices, "strategy": PlayerDDPStrategy()} if devices > 1 else {}
    game = play(game_of(config), data_of(config), folder, precision="64-true", **options)
    return {name: parameter.detach().clone() for name, parameter in game.model.named_parameters()} | {
        f"losses/{name}": torch.tensor(value) for name, value in game.read_losses().items()
    }


@pytest.mark.ddp
def test_two_processes_gather_free_bits(tmp_path):
    config = composed("vae", "network=vae_mlp", "variant.free_bits=0.02", "likelihood=bernoulli", iterations=6)
    first, second = on_ranks(_trained, tmp_path, config)
    alone = _trained(tmp_path, config | {"devices": 1})
    for name, expected in alone.items():
        torch.testing.assert_close(first[name], expected, rtol=1e-5, atol=1e-7)
        if not name.startswith("losses/"):
            assert torch.equal(first[name], second[name])
    dim = config["network"]["model"]["prior"]["dim"]
    assert alone["losses/VAE/kl"] > alone["losses/VAE/rate"]  # some dimensions are below
    assert alone["losses/VAE/kl"] > 0.02 * dim * 0.99  # and none costs less
