"""Dumoulin et al. 2016: a code that is drawn, the gradient through it, and the posterior that it becomes."""

from functools import partial
from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.models.inference import GaussianInferenceModel, InferenceModel
from lightning_gans.variants.ali import ALI
from tests.helpers.composed import composed, game_of
from tests.helpers.play import Watch, play

NOISE = 0.5  # of x around z


class Recording(nn.Module):
    """D(x, z) = <w, z> + the sum of x, which remembers what it was given."""

    def __init__(self, w):
        super().__init__()
        self.w, self.given = nn.Parameter(torch.tensor(w)), []

    def forward(self, x, z):
        self.given.append((x, z))
        return z @ self.w + x.sum(1)


class LinearGaussian(nn.Module):
    """q(z | x) = N(slope x + shift, exp(log variance)), of one number each."""

    def __init__(self):
        super().__init__()
        self.slope, self.shift, self.log_variance = (nn.Parameter(torch.zeros(1)) for _ in range(3))

    def forward(self, x):
        return torch.cat([self.slope * x + self.shift, self.log_variance.expand(len(x), 1)], dim=1)


class NoisyIdentity(nn.Module):
    """x ~ N(z, NOISE^2), a decoder as stochastic as the paper's text allows."""

    def forward(self, z):
        return z + NOISE * torch.randn_like(z)


class Best(nn.Module):
    """D* = log q(z | x) p(x) - log p(x | z) p(z), of the encoder as it is."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = [encoder]  # not D's own

    def forward(self, x, z):
        mean, log_variance = self.encoder[0](x).detach().chunk(2, dim=1)

        def density(value, mean, variance):
            return -0.5 * (torch.log(variance) + (value - mean) ** 2 / variance)

        one = torch.ones(1)
        inferred = density(z, mean, log_variance.exp()) + density(x, 0, one * (1 + NOISE**2))
        return inferred - density(x, z, one * NOISE**2) - density(z, 0, one)


def ali(generator, encoder, discriminator, *, dim, iterations=1, rates, loss=None):
    players = {
        player: PlayerSettings(optimizer=partial(torch.optim.SGD, lr=rate) if rate is not None else None)
        for player, rate in zip("DEG", rates, strict=True)
    }
    return ALI(
        model=GaussianInferenceModel(generator=generator, prior=Normal(dim=dim), encoder=encoder),
        discriminator=discriminator,
        loss=loss or NonSaturating(),
        initial_std=None,
        training=Training(iterations=iterations, batch_size=4, players=players),
    )


def test_the_gradient_goes_through_the_drawn_code_to_mean_and_log_variance():
    with isolated("encoder"):
        encoder = nn.Linear(2, 6)
    d = Recording([0.7, -1.1, 0.4])
    game = ali(nn.Linear(3, 2), encoder, d, dim=3, rates=(0.1, 0.1, 0.1))
    game.setup("fit")
    game.draws.start(0, 0, 0)
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    moments = []
    encoder.register_forward_hook(lambda module, inputs, output: (output.retain_grad(), moments.append(output))[1])
    game.encoder_loss(SampleBatch(x))["loss"].backward()
    mean, log_variance = moments[0].detach().chunk(2, dim=1)
    z_hat = d.given[0][1].detach()
    deviation = (log_variance / 2).exp()
    eps = (z_hat - mean) / deviation
    pull = torch.sigmoid(z_hat @ d.w.detach() + x.sum(1))[:, None] * d.w.detach() / 5  # d mean sp(D) / d z
    torch.testing.assert_close(moments[0].grad[:, :3], pull)
    torch.testing.assert_close(moments[0].grad[:, 3:], pull * deviation * eps / 2)
    assert eps.abs().min() > 1e-3
    assert not torch.allclose(eps, d.given[1][1])  # it is not the generator's noise over again


def test_losses_are_sums_over_both_kinds_of_pairs(tmp_path):
    with isolated("encoder"):
        encoder, generator = nn.Linear(2, 4), nn.Linear(2, 2)
    d = Recording([0.7, -1.1])
    game = ali(generator, encoder, d, dim=2, rates=(0.0, 0.0, 0.0))
    play(game, [SampleBatch(torch.ones(4, 2))], tmp_path)
    on_encoder, on_generator = ((z @ d.w + x.sum(1)).detach() for x, z in d.given)
    losses = game.read_losses()
    assert losses["D/real"] == pytest.approx(softplus(-on_encoder).mean().item(), rel=1e-5)
    assert losses["D/fake"] == pytest.approx(softplus(on_generator).mean().item(), rel=1e-5)
    assert losses["E/loss"] == pytest.approx(softplus(on_encoder).mean().item(), rel=1e-5)
    assert losses["G/loss"] == pytest.approx(softplus(-on_generator).mean().item(), rel=1e-5)
    assert losses["D/js"] == pytest.approx(log(2) - losses["D/loss"] / 2, abs=1e-5)
    assert losses["E/deviation"] == pytest.approx(
        (game.model.posterior(torch.ones(4, 2))[1] / 2).exp().mean().item(), rel=1e-5
    )


def test_against_the_best_d_the_encoder_becomes_the_posterior(tmp_path):
    """z ~ N(0, 1), x ~ N(z, 1/4): p(z | x) = N(0.8 x, 0.2), and only there is D's loss at its ceiling, 2 log 2."""
    encoder, size, iterations = LinearGaussian(), 2000, 150
    game = ali(NoisyIdentity(), encoder, Best(encoder), dim=1, iterations=iterations, rates=(None, 0.3, None))
    generator = torch.Generator().manual_seed(0)
    spread = (1 + NOISE**2) ** 0.5
    batches = [SampleBatch(spread * torch.randn(size, 1, generator=generator)) for _ in range(iterations)]
    before = d_loss(game, batches[0])
    watch = Watch(lambda trainer, game: encoder.log_variance.exp().item())
    play(game, batches, tmp_path, watch)
    assert before < 2 * log(2) - 0.1
    assert d_loss(game, batches[0]) == pytest.approx(2 * log(2), abs=0.01)
    assert encoder.slope.item() == pytest.approx(0.8, abs=0.03)
    assert encoder.shift.item() == pytest.approx(0.0, abs=0.03)
    assert encoder.log_variance.exp().item() == pytest.approx(0.2, abs=0.02)
    assert 0.15 < min(watch.seen) < max(watch.seen) < 1.0  # it shrinks from where it began, and not to nothing


def d_loss(game, batch):
    game.setup("fit")
    game.draws.start(0, 0, 0)
    with torch.no_grad(), isolated("decoder"):
        return sum(game.discriminator_loss(batch).values()).item()


@pytest.mark.parametrize("network", ["ali", "ali_mlp"])
def test_all_weights_begin_small_and_so_do_their_averages(network):
    game = game_of(composed("ali", f"network={network}", "variant.initial_std=0.01", small=False))
    for part in (game.model.encoder, game.model.generator, game.discriminator):
        weights = [p for m in part.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
                   for name, p in m.named_parameters() if name == "weight"]  # fmt: skip
        everything = torch.cat([weight.detach().flatten() for weight in weights])
        assert everything.std().item() == pytest.approx(0.01, rel=0.02)
        biases = [p for name, p in part.named_parameters() if name.endswith("bias")]
        assert all(bias.abs().max() == 0 for bias in biases)
    for mine, averaged in zip(game.model.parameters(), game.ema.model.parameters(), strict=True):
        assert torch.equal(mine, averaged)


def test_a_noisy_code_cannot_blind_d_to_the_others():
    """Under batch norm one pair's noise would scale all pairs of its batch."""
    game = game_of(composed("ali", "network=ali_mlp", "network.discriminator.dropout=0.0"))
    x, z = torch.zeros(4, *game.model.generator.sample_shape), torch.randn(4, game.model.prior.dim)
    loud = torch.cat([z[:3], 1000 * z[3:]])
    with torch.no_grad():
        torch.testing.assert_close(game.discriminator(x, z)[:3], game.discriminator(x, loud)[:3])


def test_weights_may_be_left_as_they_were_built():
    built = game_of(composed("ali", "variant.initial_std=null"))
    assert built.model.generator.layers[0].weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_the_network_says_how_its_weights_begin():
    assert composed("ali", "data=mnist", small=False)["variant"]["initial_std"] == 0.01
    assert composed("ali", "data=mnist", "network=mlp", small=False)["variant"]["initial_std"] is None


def test_an_encoder_of_means_alone_is_refused():
    model = InferenceModel(generator=nn.Linear(2, 2), prior=Normal(dim=2), encoder=nn.Linear(2, 2))
    with pytest.raises(UserError, match=r"InferenceModel's gives one code. Choose network=ali or ali_mlp"):
        ALI(model=model, discriminator=nn.Linear(1, 1), loss=NonSaturating(), training=None)
