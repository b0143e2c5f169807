"""Larsen et al. 2015, Algorithm 1: whose gradient goes where, and who waits."""

import os
from copy import deepcopy
from functools import partial
from itertools import product

import pytest
import torch
from torch import nn

from experiments.jobs.preflight import preflight
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal, Uniform
from lightning_gans.core.rng import isolated, stream
from lightning_gans.losses.adversarial import Hinge, Minimax, NonSaturating
from lightning_gans.models.vaegan import VAEGANModel
from lightning_gans.networks.augment import Adaptive, Translation
from lightning_gans.networks.encoders import MLPEncoder
from lightning_gans.networks.mlp import MLPGenerator
from lightning_gans.networks.similarity import SimilarityMLPDiscriminator
from lightning_gans.strategies.player_ddp import PlayerDDPStrategy
from lightning_gans.variants import vaegan
from lightning_gans.variants.vaegan import VAEGAN, resting
from tests.helpers import play as helper
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.ranks import on_ranks

RATE, N, SHAPE = 0.05, 6, (1, 8, 8)


class Recording(nn.Module):
    """A network that remembers what it was given; its second output, if it has one, is multiplied by `scale`."""

    def __init__(self, network, scale=1.0):
        super().__init__()
        self.network, self.scale, self.given = network, scale, []

    def forward(self, x):
        self.given.append(x.detach().clone())
        found = self.network(x)
        return (found[0], self.scale * found[1]) if isinstance(found, tuple) else found


def vae_gan(*, loss=None, gamma=0.5, iterations=1, layer_scale=1.0, prior=None, **settings):
    """A game on perceptrons without batch norm, in float64, with the same weights every time."""
    outputs = 3 if settings.get("discriminator") == "three_way" else 1
    with isolated("networks"):
        generator = MLPGenerator(
            latent_dim=4, sample_shape=SHAPE, width=8, depth=1, batch_norm=False, output="tanh"
        ).double()
        encoder = MLPEncoder(sample_shape=SHAPE, code_dim=4, width=8, depth=1, batch_norm=False, moments=2).double()
        dis = SimilarityMLPDiscriminator(
            sample_shape=SHAPE, width=8, depth=2, dropout=0.0, outputs=outputs, feature_level=1
        ).double()
    player = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=RATE))
    return VAEGAN(
        model=VAEGANModel(generator=Recording(generator), prior=prior or Normal(dim=4), encoder=encoder),
        dis=Recording(dis, layer_scale),
        loss=loss or NonSaturating(),
        gamma=gamma,
        training=Training(iterations=iterations, batch_size=N, players=dict.fromkeys(("Enc", "Dec", "Dis"), player)),
        **settings,
    )


play = partial(helper.play, precision="64-true")


def batches(n=1):
    x = torch.rand(n, N, *SHAPE, generator=stream("data"), dtype=torch.float64) * 2 - 1
    return [SampleBatch(x=part, label=None) for part in x]


def networks(game):
    return {"Enc": game.model.encoder, "Dec": game.model.generator, "Dis": game.dis}


def moves(folder, **settings):
    """Changes of each player's parameters in one iteration."""
    game = vae_gan(**settings)
    start = deepcopy(networks(game))
    play(game, batches(), folder)
    found = {}
    for name, network in networks(game).items():
        pairs = zip(network.parameters(), start[name].parameters(), strict=True)
        found[name] = [after.detach() - before.detach() for after, before in pairs]
    return found


def same(found, expected):
    return all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


# The gradients of one pass


@pytest.mark.parametrize("name, loss", [("binary", Minimax()), ("binary", Hinge()), ("three_way", NonSaturating())])
def test_every_player_takes_the_gradient_of_its_own_loss(name, loss, tmp_path):
    game = vae_gan(loss=loss, discriminator=name)
    enc, dec, dis = (deepcopy(network) for network in networks(game).values())
    play(game, batches(), tmp_path)
    x, (codes,) = batches()[0].x, game.model.generator.given
    z, z_p = codes.split(N)
    mean, log_variance = enc(x).chunk(2, dim=1)
    noise = (z - mean.detach()) / (log_variance.detach() / 2).exp()
    x_tilde, x_p = dec(mean + (log_variance / 2).exp() * noise), dec(z_p)
    (on_x, layer), (on_p, _), (on_tilde, layer_tilde) = dis(x), dis(x_p), dis(x_tilde)
    l_prior = -(1 + log_variance - mean**2 - log_variance.exp()).sum() / 2 / N
    l_llike = ((layer - layer_tilde) ** 2).sum() / 2 / N
    if name == "binary":
        l_gan = loss.real(on_x) + (loss.fake(on_p) + loss.fake(on_tilde)) / 2
        of_dec = (loss.generator(on_p) + loss.generator(on_tilde)) / 2
    else:
        real, generated, reconstructed = (logits.log_softmax(1) for logits in (on_x, on_p, on_tilde))
        l_gan = -real[:, 0].mean() - generated[:, 1].mean() - reconstructed[:, 2].mean()
        of_dec = -(generated[:, 0].mean() + reconstructed[:, 0].mean()) / 2
    expected = {"Enc": (enc, l_prior + l_llike), "Dec": (dec, 0.5 * l_llike + of_dec), "Dis": (dis, l_gan)}
    for player, (network, value) in expected.items():
        gradients = torch.autograd.grad(value, list(network.parameters()), retain_graph=True)
        assert max(gradient.abs().max() for gradient in gradients) > 1e-4
        for parameter, gradient, found in zip(
            network.parameters(), gradients, networks(game)[player].parameters(), strict=True
        ):
            torch.testing.assert_close(found, parameter - RATE * gradient)
    losses = game.read_losses()
    assert losses["Enc/prior"] == pytest.approx(l_prior.item())
    assert losses["Enc/llike"] == pytest.approx(l_llike.item())
    assert losses["Dec/llike"] == pytest.approx(0.5 * l_llike.item())
    assert losses["Dec/adversarial"] == pytest.approx(of_dec.item())
    assert losses["Dis/loss"] == pytest.approx(l_gan.item())
    assert abs(z_p.mean()) < 1 < 2 * z_p.std()  # codes of the prior, not of the samples
    assert abs(noise.mean()) < 1 < 2 * noise.std()


class Louder(NonSaturating):
    """L_GAN times a thousand."""

    def real(self, logits):
        return 1000 * super().real(logits)

    def fake(self, logits):
        return 1000 * super().fake(logits)

    def generator(self, on_fake, on_real=None):
        return 1000 * super().generator(on_fake, on_real)


def test_enc_gets_nothing_from_l_gan(tmp_path):
    quiet, loud = moves(tmp_path), moves(tmp_path, loss=Louder())
    assert same(loud["Enc"], quiet["Enc"])
    assert not same(loud["Dec"], quiet["Dec"])
    assert not same(loud["Dis"], quiet["Dis"])


def test_dis_gets_nothing_from_l_llike(tmp_path):
    plain, heavy = moves(tmp_path), moves(tmp_path, layer_scale=10.0)
    assert same(heavy["Dis"], plain["Dis"])
    assert not same(heavy["Enc"], plain["Enc"])
    assert not same(heavy["Dec"], plain["Dec"])


def test_dec_and_dis_get_nothing_from_l_prior(tmp_path, monkeypatch):
    plain = moves(tmp_path)
    kl = vaegan.kl_to_standard_normal
    monkeypatch.setattr(vaegan, "kl_to_standard_normal", lambda *moments: 100 * kl(*moments))
    heavy = moves(tmp_path)
    assert same(heavy["Dec"], plain["Dec"])
    assert same(heavy["Dis"], plain["Dis"])
    assert not same(heavy["Enc"], plain["Enc"])


def test_gamma_is_the_weight_of_l_llike_for_dec_alone(tmp_path):
    none, one, three = (moves(tmp_path, gamma=gamma) for gamma in (0.0, 1.0, 3.0))
    for player in ("Enc", "Dis"):
        assert same(one[player], none[player])
        assert same(three[player], none[player])
    for without, with_one, with_three in zip(none["Dec"], one["Dec"], three["Dec"], strict=True):
        assert (with_one - without).abs().max() > 1e-6
        torch.testing.assert_close(with_three - without, 3 * (with_one - without))


def test_the_priors_weight_is_encs_alone(tmp_path):
    none, one, three = (moves(tmp_path, prior_weight=weight) for weight in (0.0, 1.0, 3.0))
    for player in ("Dec", "Dis"):
        assert same(three[player], none[player])
    for without, with_one, with_three in zip(none["Enc"], one["Enc"], three["Enc"], strict=True):
        assert (with_one - without).abs().max() > 1e-6
        torch.testing.assert_close(with_three - without, 3 * (with_one - without))


def test_l_llike_is_a_sum_over_the_layer(tmp_path):
    class Twice(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, x):
            logits, layer = self.network(x)
            return logits, torch.cat([layer, layer], dim=1)

    once, twice = vae_gan(), vae_gan()
    twice.dis = Twice(twice.dis)
    losses = [play(game, batches(), tmp_path).read_losses()["Enc/llike"] for game in (once, twice)]
    assert losses[1] == pytest.approx(2 * losses[0])


def test_one_pass_serves_all_players_and_the_next_has_fresh_codes(tmp_path):
    game = vae_gan(iterations=3)
    play(game, batches(3), tmp_path)
    given = game.model.generator.given
    assert len(given) == 3
    assert len(torch.cat(given).unique(dim=0)) == 6 * N


def test_dis_sees_a_batch_of_each_kind(tmp_path):
    game = vae_gan()
    play(game, batches(), tmp_path)
    x, generated, reconstructed = game.dis.given
    assert torch.equal(x, batches()[0].x)
    assert len(generated) == len(reconstructed) == N
    assert not torch.equal(generated, reconstructed)


def test_a_sample_and_its_reconstruction_are_augmented_alike(tmp_path):
    class Known(nn.Module):
        """Decodes what it is told to."""

        def __init__(self, network, x):
            super().__init__()
            self.network, self.x = network, x

        def forward(self, z):
            return torch.cat([self.x, self.x]) + 0 * self.network(z)

    game = vae_gan(augment=Translation(ratio=0.5))
    x = batches()[0].x
    game.model.generator = Known(game.model.generator, x)
    play(game, batches(), tmp_path)
    real, generated, reconstructed = game.dis.given
    assert torch.equal(real, reconstructed)
    assert not torch.equal(real, x)
    assert not torch.equal(generated, real)
    assert game.read_losses()["Enc/llike"] == 0


# Who waits


def who_moved(folder, costs, **options):
    """Names of the players that moved where Dis costs this rank `costs`."""
    game = vae_gan(equilibrium=0.68, margin=0.35)
    game.critic.costs = lambda on: torch.tensor(costs, dtype=torch.float64)
    start = deepcopy(networks(game))
    play(game, batches(), folder, **options)
    return {name for name, net in networks(game).items() if not same(net.parameters(), start[name].parameters())}


@pytest.mark.parametrize(
    "real, fake, expected",
    [
        (0.7, 0.7, set()),
        (0.3, 0.7, {"Dis"}),  # Dis is sure of what is real
        (0.7, 0.3, {"Dis"}),
        (0.1, 0.2, {"Dis"}),
        (1.1, 0.7, {"Dec"}),  # Dis is fooled
        (0.7, 1.1, {"Dec"}),
        (2.0, 2.0, {"Dec"}),
        (0.2, 2.0, set()),  # both would wait
        (2.0, 0.2, set()),
        (0.34, 1.02, set()),  # within the margin
    ],
)
def test_the_equilibriums_rule(real, fake, expected, tmp_path):
    assert resting([real, fake], 0.68, 0.35) == expected
    assert who_moved(tmp_path, [real, fake]) == {"Enc", "Dec", "Dis"} - expected


def test_the_rule_is_the_codes_three_questions():
    for real, fake in product((0.1, 0.3, 0.5, 0.7, 1.0, 1.1, 3.0), repeat=2):
        dis = not (real < 0.33 or fake < 0.33)
        dec = not (real > 1.03 or fake > 1.03)
        if not (dis or dec):
            dis = dec = True
        waiting = {player for player, moves in (("Dec", dec), ("Dis", dis)) if not moves}
        assert resting([real, fake], 0.68, 0.35) == waiting


def test_the_players_who_move_do_so_as_they_would_together(tmp_path):
    together = moves(tmp_path)
    game = vae_gan(equilibrium=0.1, margin=0.0)  # Dis's costs are near log 2
    start = deepcopy(networks(game))
    play(game, batches(), tmp_path)
    for player in ("Enc", "Dis"):
        for after, before, move in zip(
            networks(game)[player].parameters(), start[player].parameters(), together[player], strict=True
        ):
            torch.testing.assert_close(after, before + move)
    assert same(game.model.generator.parameters(), start["Dec"].parameters())
    assert "Dec/loss" not in game.read_losses()


def gated(folder, job):
    mine = job["costs"][int(os.environ["LOCAL_RANK"])]
    moved = [who_moved(folder, costs, devices=2, strategy=PlayerDDPStrategy()) for costs in mine]
    return {"moved": [sorted(players) for players in moved]}


@pytest.mark.ddp
def test_ranks_look_at_the_mean_of_their_costs(tmp_path):
    costs = [
        [[0.2, 0.7], [0.1, 0.7], [0.7, 0.7]],
        [[0.7, 0.7], [0.5, 0.7], [0.7, 1.9]],
    ]  # means: (0.45, 0.7), within the margin; (0.3, 0.7); (0.7, 1.3)
    for rank in on_ranks(gated, tmp_path, {"costs": costs}):
        assert rank["moved"] == [["Dec", "Dis", "Enc"], ["Dec", "Enc"], ["Dis", "Enc"]]


# Settings


@pytest.mark.parametrize("network", ["vaegan", "vaegan_mlp"])
@pytest.mark.parametrize(
    "overrides",
    [
        ["variant.discriminator=three_way"],
        ["objective=minimax"],
        ["objective=hinge"],
        ["objective=relativistic"],
        ["variant.equilibrium=0.68"],
        ["variant.discriminator=three_way", "variant.equilibrium=1.1"],
        ["data.image_size=64"],
    ],
)
def test_what_a_run_may_choose(network, overrides, tmp_path):
    config = composed("vaegan", f"network={network}", *overrides, iterations=3)
    assert config["network"]["discriminator"]["outputs"] == (3 if "three_way" in overrides[0] else 1)
    losses = play(game_of(config), data_of(config), tmp_path).read_losses()
    assert losses["Enc/prior"] > 0
    assert losses["Enc/llike"] > 0


def test_a_critic_that_nothing_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="nothing here holds the critic Lipschitz"):
        preflight(["variant=vaegan", "objective=wasserstein"])
    assert preflight(["variant=vaegan", "objective=wasserstein", "network.discriminator.norm=spectral"])
    with pytest.raises(UserError, match=r"variant\.discriminator=four_way.*binary or three_way"):
        preflight(["variant=vaegan", "variant.discriminator=four_way"])


def test_what_it_may_not():
    with pytest.raises(UserError, match=r"three_way.*Hinge.*objective=non_saturating"):
        vae_gan(discriminator="three_way", loss=Hinge())
    with pytest.raises(UserError, match=r"This is a GenerativeModel\. Choose network=vaegan"):
        game_of(composed("vaegan", "network=dcgan"))
    with pytest.raises(UserError, match="the prior is Uniform"):
        vae_gan(prior=Uniform(dim=4))
    with pytest.raises(UserError, match="augment=adaptive"):
        vae_gan(augment=Adaptive(parts=[Translation(ratio=0.1)], target=0.6, speed=1e4))
    config = composed("vaegan", "variant.equilibrium=0.68")
    training = config["variant"]["training"] | {"accumulate": 2}
    with pytest.raises(UserError, match="is gated"):
        game_of({**config, "variant": config["variant"] | {"training": training}}).setup("fit")
