"""Donahue et al. 2016: pairs, whose gradient goes where, and what D's loss says of E and G."""

from copy import deepcopy
from functools import partial
from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot, softplus

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal, Prior
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticPairing,
    Wasserstein,
)
from lightning_gans.losses.divergences import KL
from lightning_gans.models.inference import InferenceModel
from lightning_gans.networks.joint import JointMLPDiscriminator
from lightning_gans.networks.mlp import MLPGenerator
from lightning_gans.variants.bigan import BiGAN
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play

RATE = 0.3
X, Z, N = 2, 3, 6


class Recording(nn.Module):
    """A network that remembers what it was given and what it gave."""

    def __init__(self, network):
        super().__init__()
        self.network, self.given, self.gave = network, [], []

    def forward(self, *inputs):
        self.given.append(inputs)
        self.gave.append(self.network(*inputs))
        return self.gave[-1]


def perceptron(inputs, outputs):
    return MLPGenerator(latent_dim=inputs, sample_shape=(outputs,), width=8, depth=1, batch_norm=False, output="linear")


def bigan(*, loss=None, iterations=1):
    with isolated("networks"):
        generator, encoder = perceptron(Z, X), perceptron(X, Z)
        discriminator = JointMLPDiscriminator(sample_shape=(X,), code_dim=Z, width=8, depth=2, batch_norm=False)
    player = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=RATE))
    return BiGAN(
        model=InferenceModel(generator=Recording(generator), prior=Normal(dim=Z), encoder=Recording(encoder)),
        discriminator=Recording(discriminator),
        loss=loss or NonSaturating(),
        training=Training(iterations=iterations, batch_size=N, players=dict.fromkeys("DEG", player)),
    )


def samples(iterations=1):
    generator = torch.Generator().manual_seed(1)
    return [SampleBatch(torch.randn(N, X, generator=generator)) for _ in range(iterations)]


def test_one_iteration_is_two_passes_of_d_and_one_of_each_other(tmp_path):
    game = play(bigan(iterations=3), samples(3), tmp_path)
    passes = [len(n.given) for n in (game.discriminator, game.model.encoder, game.model.generator)]
    assert passes == [6, 3, 3]
    codes = torch.cat([z for (z,) in game.model.generator.given])
    assert len(codes.unique(dim=0)) == 3 * N  # and its own noise


def test_d_judges_samples_with_their_codes_and_codes_with_their_samples(tmp_path):
    game, (batch,) = bigan(), samples()
    play(game, [batch], tmp_path)
    (x, z_hat), (x_tilde, z) = game.discriminator.given
    assert torch.equal(x, batch.x)
    assert torch.equal(z_hat, game.model.encoder.gave[0])
    assert torch.equal(z, game.model.generator.given[0][0])
    assert torch.equal(x_tilde, game.model.generator.gave[0])


OBJECTIVES = {  # what D descends on the encoder's pairs and on the generator's, then what E and G descend
    NonSaturating: (lambda t: softplus(-t), softplus, softplus, lambda t: softplus(-t)),
    Minimax: (lambda t: softplus(-t), softplus, lambda t: -softplus(-t), lambda t: -softplus(t)),
    Hinge: (lambda t: (1 - t).relu(), lambda t: (1 + t).relu(), lambda t: t, lambda t: -t),
    LeastSquares: (lambda t: (t - 1) ** 2 / 2, lambda t: t**2 / 2, lambda t: t**2 / 2, lambda t: (t - 1) ** 2 / 2),
}


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_each_player_takes_its_own_gradient_of_the_same_pass(kind, tmp_path):
    game, (batch,) = bigan(loss=kind()), samples()
    players = {"D": game.discriminator, "E": game.model.encoder, "G": game.model.generator}
    before = {name: deepcopy(player.network) for name, player in players.items()}
    play(game, [batch], tmp_path)
    d, e, g = before.values()
    z = game.model.generator.given[0][0]
    on_encoder, on_generator = d(batch.x, e(batch.x)), d(g(z), z)
    real, fake, encoder, generator = OBJECTIVES[kind]
    both = (encoder(on_encoder).mean() + generator(on_generator).mean()) / 2  # E and G descend it together
    objectives = {"D": (real(on_encoder).mean() + fake(on_generator).mean()) / 2, "E": both, "G": both}
    for name, network in before.items():
        gradients = torch.autograd.grad(objectives[name], list(network.parameters()), retain_graph=True)
        assert max(gradient.abs().max() for gradient in gradients) > 1e-3
        for parameter, gradient, found in zip(network.parameters(), gradients, players[name].parameters(), strict=True):
            torch.testing.assert_close(found, parameter - RATE * gradient)
    losses = game.read_losses()
    assert losses["D/loss"] == pytest.approx(objectives["D"].item(), rel=1e-5)
    assert losses["E/loss"] + losses["G/loss"] == pytest.approx(both.item(), rel=1e-4)


def test_e_and_g_hear_of_d_by_their_own_pairs_alone():
    game, (batch,) = bigan(), samples()
    game.setup("fit")
    game.draws.start(0, 0, 0)
    by_e, by_g = game.encoder_loss(batch)["loss"], game.generator_loss(batch)["loss"]
    encoder, generator = list(game.model.encoder.parameters()), list(game.model.generator.parameters())
    for loss, own, others in ((by_e, encoder, generator), (by_g, generator, encoder)):
        assert all(g is None for g in torch.autograd.grad(loss, others, allow_unused=True, retain_graph=True))
        assert all(g.abs().max() > 0 for g in torch.autograd.grad(loss, own, retain_graph=True))


def test_the_gradients_are_those_of_finite_differences():
    game, (batch,) = bigan().double(), samples()
    batch = SampleBatch(batch.x.double())
    game.setup("fit")

    def value(of):
        game.draws.start(0, 0, 0)
        return of(batch)["loss"]

    with torch.random.fork_rng():
        torch.set_default_dtype(torch.float64)
        try:
            for of, network in ((game.encoder_loss, game.model.encoder), (game.generator_loss, game.model.generator)):
                weight = next(network.parameters())
                (gradient,) = torch.autograd.grad(value(of), weight)
                step = 1e-6
                with torch.no_grad():
                    weight[0, 0] += step
                    up = value(of)
                    weight[0, 0] -= 2 * step
                    down = value(of)
                    weight[0, 0] += step
                assert ((up - down) / (2 * step)).item() == pytest.approx(gradient[0, 0].item(), rel=1e-6)
        finally:
            torch.set_default_dtype(torch.float32)


# Four symbols: E and G are permutations, D a table of sixteen logits


class Every(Prior):
    """Each symbol in turn."""

    dim = 4

    def sample(self, n, generator):
        return one_hot(torch.arange(n, device=generator.device) % 4, 4).float()

    def axes(self, steps):
        return []


class Permutation(nn.Module):
    def __init__(self, order):
        super().__init__()
        self.register_buffer("matrix", torch.eye(4)[order])

    def forward(self, x):
        return x @ self.matrix


class Lookup(nn.Module):
    def __init__(self):
        super().__init__()
        with isolated("table"):
            self.logits = nn.Parameter(torch.randn(4, 4))

    def forward(self, x, z):
        return torch.einsum("ni,nj,ij->n", x, z, self.logits)


def symbols(generator, encoder, folder):
    """The losses of the best D for two permutations of four symbols."""
    still = PlayerSettings(optimizer=None)
    table = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=0.3, betas=(0.9, 0.999)))
    game = BiGAN(
        model=InferenceModel(generator=Permutation(generator), prior=Every(), encoder=Permutation(encoder)),
        discriminator=Lookup(),
        loss=NonSaturating(),
        training=Training(iterations=400, batch_size=4, players={"D": table, "E": still, "G": still}),
    )
    batch = SampleBatch(torch.eye(4))
    play(game, [batch] * 400, folder)
    with torch.no_grad():
        game.draws.start(0, 0, 0)
        terms = game.discriminator_loss(batch)
        game.draws.start(0, 0, 0)
        own = game.encoder_loss(batch)["loss"], game.generator_loss(batch)["loss"]
    on_real, on_fake = (2 * terms[name].item() for name in ("real", "fake"))
    return on_real, on_fake, *(2 * loss.item() for loss in own)


def inverse(order):
    return [order.index(i) for i in range(4)]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [1, 2, 3, 0], [2, 0, 3, 1]])
def test_where_e_inverts_g_the_best_d_can_only_guess(order, tmp_path):
    on_real, on_fake, of_e, of_g = symbols(order, inverse(order), tmp_path)
    assert (on_real, on_fake) == pytest.approx((log(2), log(2)), abs=1e-4)
    assert (of_e, of_g) == pytest.approx((log(2), log(2)), abs=1e-2)


def test_symbols_that_e_does_not_invert_give_both_away(tmp_path):
    order = [1, 2, 3, 0]
    wrong = inverse(order)
    wrong[0], wrong[1] = wrong[1], wrong[0]
    on_real, on_fake, of_e, of_g = symbols(order, wrong, tmp_path)
    assert (on_real, on_fake) == pytest.approx((log(2) / 2, log(2) / 2), abs=1e-3)  # the other two are still a guess
    assert min(of_e, of_g) > 2  # and D is sure of it
    turned = symbols(order, order, tmp_path)  # G shifts by one and E shifts on
    assert turned[:2] == pytest.approx((0, 0), abs=1e-3)


@pytest.mark.parametrize("loss", [Wasserstein(), RelativisticPairing(), KL()])
def test_a_loss_that_sees_the_two_kinds_differently_is_refused(loss):
    with pytest.raises(UserError, match=rf"{type(loss).__name__} is not the same for real and generated pairs"):
        bigan(loss=loss)


@pytest.mark.parametrize("objective", ["minimax", "hinge", "least_squares"])
def test_objectives_of_any_game_that_are_games_here(objective, tmp_path):
    config = composed("bigan", f"objective={objective}", "network=bigan_mlp", iterations=3)
    losses = play(game_of(config), data_of(config), tmp_path).read_losses()
    assert 0 <= losses["D/accuracy"] <= 1
    assert losses["D/loss"] == pytest.approx(losses["D/real"] + losses["D/fake"], rel=1e-5)
