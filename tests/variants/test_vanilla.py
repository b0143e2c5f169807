"""Goodfellow et al. 2014: the order of steps, what each player sees, and the saturation of the minimax loss."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from datamodules import Digits, RefPair, Ring
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated
from lightning_gans.losses.adversarial import LeastSquares, Minimax, NonSaturating, RelativisticAverage, Wasserstein
from lightning_gans.losses.penalties import DRAGAN, R1, R1R2, R2, GradientPenalty
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.networks.augment import Adaptive, Composition, Translation
from lightning_gans.networks.mlp import AffineGenerator, MLPDiscriminator, MLPGenerator
from lightning_gans.variants.vanilla import GAN
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import StopAfter, Watch, play


class Recording(nn.Module):
    """A discriminator that remembers what it was shown."""

    def __init__(self, bias=0.0):
        super().__init__()
        self.layer = nn.Linear(2, 1)
        nn.init.constant_(self.layer.bias, bias)
        self.shown = []

    def forward(self, x):
        self.shown.append(x)
        return self.layer(x)


def gan(*, iterations=1, batch_size=4, discriminator=None, loss=None, sgd=0.0, **settings):
    """Sets of SGD with a rate of 0 by default: players that count their steps and stay where they are."""
    with isolated("networks"):
        generator = MLPGenerator(latent_dim=2, sample_shape=(2,), width=8, depth=1, batch_norm=False, output="linear")
        discriminator = discriminator or Recording()
    player = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=sgd))
    return GAN(
        model=GenerativeModel(generator=generator, prior=Normal(dim=2)),
        discriminator=discriminator,
        loss=loss or NonSaturating(),
        training=Training(iterations=iterations, batch_size=batch_size, players={"D": player, "G": player}),
        **settings,
    )


def order_of_steps(folder, **settings):
    """The players of a run of ten iterations in the order of their steps."""
    steps = []

    class Counting(torch.optim.SGD):
        def __init__(self, parameters, player):
            super().__init__(parameters, lr=0.0)
            self.player = player

        def step(self, closure=None):
            steps.append(self.player)

    game = gan(iterations=10, **settings)
    for player in "DG":
        game.training_settings.players[player] = PlayerSettings(optimizer=partial(Counting, player=player))
    play(game, Ring(batch_size=4), folder)
    return "".join(steps)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_k_steps_of_d_then_one_of_g(tmp_path, k):
    assert order_of_steps(tmp_path, discriminator_steps=k) == ("D" * k + "G") * (10 // k)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_one_step_of_d_then_k_of_g(tmp_path, k):
    """G would otherwise move k times against a D that has learnt nothing."""
    assert order_of_steps(tmp_path, generator_steps=k) == ("D" + "G" * k) * (10 // k)


def test_every_step_of_d_has_fresh_data_and_every_step_fresh_noise(tmp_path):
    game = gan(iterations=3)
    play(game, Ring(batch_size=4), tmp_path)
    shown = game.discriminator.shown
    assert len(shown) == 9  # real and fake for D, fake for G
    real, fake_d, fake_g = shown[0::3], shown[1::3], shown[2::3]
    everything = torch.cat([*real, *fake_d, *fake_g]).detach()
    assert len(everything.unique(dim=0)) == len(everything)
    assert not any(x.requires_grad for x in (*real, *fake_d))  # detached in D's step
    assert all(x.requires_grad for x in fake_g)


def test_real_and_generated_samples_go_through_d_apart(tmp_path):
    game = gan()
    play(game, Ring(batch_size=4), tmp_path)
    assert [len(x) for x in game.discriminator.shown] == [4, 4, 4]


def test_losses_are_those_of_the_objective(tmp_path):
    game = gan(loss=Minimax())
    play(game, Ring(batch_size=4), tmp_path)
    real, fake, last = (game.discriminator.layer(x).sigmoid() for x in game.discriminator.shown)
    losses = game.read_losses()
    assert losses["D/real"] == pytest.approx(-real.log().mean().item(), rel=1e-5)
    assert losses["D/fake"] == pytest.approx(-(1 - fake).log().mean().item(), rel=1e-5)
    assert losses["D/loss"] == pytest.approx(losses["D/real"] + losses["D/fake"], rel=1e-5)
    assert losses["G/loss"] == pytest.approx((1 - last).log().mean().item(), rel=1e-5)
    accuracy = torch.cat([real > 0.5, fake < 0.5]).float().mean().item()
    assert losses["D/accuracy"] == pytest.approx(accuracy)


def test_a_penalty_is_taken_on_real_samples(tmp_path):
    game = gan(penalty=R1(gamma=3.0))
    play(game, Ring(batch_size=4), tmp_path)
    expected = 1.5 * game.discriminator.layer.weight.square().sum().item()
    assert game.read_losses()["D/penalty"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("steps", [{}, {"generator_steps": 2}])
def test_a_lazy_penalty_is_taken_in_every_kth_step_of_d_and_weighs_the_same_on_average(tmp_path, steps):
    game = gan(penalty=R1(gamma=3.0, every=2), iterations=8, **steps)
    watch = Watch(lambda trainer, game: game.read_losses().get("D/penalty"))
    play(game, Ring(batch_size=4), tmp_path, watch)
    seen = [value for value in watch.seen if value is not None]
    always = 1.5 * game.discriminator.layer.weight.square().sum().item()
    assert seen == pytest.approx([2 * always, 0.0] * (len(seen) // 2), rel=1e-5)
    assert len(seen) == 8 // steps.get("generator_steps", 1)


def test_long_turns_of_d_need_a_d_that_always_moves():
    with pytest.raises(UserError, match=r"discriminator_warm_up=100 and variant\.generator_steps=2"):
        gan(discriminator_warm_up=100, generator_steps=2)


class Linear(nn.Module):
    """A discriminator of packs of m points: <w, pack>, the norm of w given."""

    def __init__(self, m, norm):
        super().__init__()
        weight = torch.arange(1.0, 2 * m + 1)
        self.weight = nn.Parameter(norm * weight / weight.norm())

    def forward(self, x):
        return x @ self.weight


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("norm", [1.0, 3.0])
@pytest.mark.parametrize(
    "penalty, expected",
    [
        (GradientPenalty(weight=2.0), lambda norm: 2 * (norm - 1) ** 2),
        (GradientPenalty(weight=2.0, one_sided=True), lambda norm: 2 * (norm - 1) ** 2),
        (DRAGAN(weight=2.0), lambda norm: 2 * (norm - 1) ** 2),
        (R1(gamma=2.0), lambda norm: norm**2),
        (R2(gamma=2.0), lambda norm: norm**2),
        (R1R2(gamma=2.0), lambda norm: 2 * norm**2),
    ],
    ids=["gradient_penalty", "one_sided", "dragan", "r1", "r2", "r1_r2"],
)
def test_a_penalty_is_on_the_gradient_by_the_whole_pack(tmp_path, penalty, expected, m, norm):
    game = gan(penalty=penalty, packing=m, discriminator=Linear(m, norm), batch_size=6)
    play(game, Ring(batch_size=6), tmp_path)
    assert game.read_losses()["D/penalty"] == pytest.approx(expected(norm), abs=1e-5)


def test_the_points_of_a_penalty_are_packs_of_augmented_samples(tmp_path):
    """One line from a real pack to a generated one, and the logits of D's own way from samples to packs."""
    seen = []

    def penalty(discriminator, real, fake, uniform):
        seen.append((real, fake, uniform(1), discriminator(real)))
        return seen[0][-1].mean()

    class Shift:
        numbers = 1

        def __call__(self, x, uniform):
            return x + uniform

    game = gan(penalty=penalty, packing=2, discriminator=Linear(2, 1.0), augment=Shift(), batch_size=6)
    batch = next(Ring(batch_size=6).iteration_batches(0, 1, game.seed))
    play(game, Ring(batch_size=6), tmp_path)
    ((real, fake, uniform, logits),) = seen
    assert torch.equal(real, torch.cat([batch.x[0::2], batch.x[1::2]], dim=1))
    assert (real.shape, fake.shape, uniform.shape, logits.shape) == ((3, 4), (3, 4), (3, 1), (3,))
    assert (logits > game.discriminator(real)).all()  # every weight is positive, and so is every shift


class Sure(nn.Module):
    """A discriminator of images that is as sure of itself as its bias says."""

    def __init__(self, bias):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(bias))

    def forward(self, x):
        return x.flatten(1).sum(1, keepdim=True) * 1e-6 + self.bias


def adaptive(iterations, bias, **settings):
    images = MLPGenerator(latent_dim=2, sample_shape=(1, 8, 8), width=4, depth=1, batch_norm=False, output="tanh")
    game = gan(
        iterations=iterations,
        discriminator=Sure(bias),
        sgd=1e-3,
        augment=Adaptive(parts=[Translation(ratio=0.125)], target=0.6, speed=16.0),
        **settings,
    )
    game.model.generator = images
    return game


@pytest.mark.parametrize("bias, expected", [(5.0, 0.75), (-5.0, 0.0)])
def test_an_adaptive_augmentation_follows_how_sure_d_is_of_real_samples(tmp_path, bias, expected):
    game = adaptive(3, bias)
    play(game, Digits(batch_size=4, image_size=8), tmp_path)
    assert game.augment.p.item() == pytest.approx(expected)
    assert game.read_losses()["D/augment"] == pytest.approx(sum([0.0, 0.25, 0.5]) / 3 if expected else 0.0)


def test_certainty_is_measured_from_the_objectives_boundary(tmp_path):
    game = adaptive(1, 0.4, loss=LeastSquares())  # between the labels 0 and 1, on the side of fakes
    play(game, Digits(batch_size=4, image_size=8), tmp_path)
    assert game.augment.p == 0
    with pytest.raises(UserError, match="augment=adaptive follows"):
        adaptive(1, 0.4, loss=Wasserstein())


@pytest.mark.parametrize("micro", [1, 2])
def test_p_is_resumed(tmp_path, micro):
    settings = "augment=adaptive", "augment.speed=100", "augment.target=-0.9", f"variant.training.accumulate={micro}"
    config = composed("dcgan", *settings)
    path = tmp_path / "half.ckpt"
    straight = play(game_of(config), data_of(config), tmp_path)
    play(game_of(config), data_of(config), tmp_path, StopAfter(7, path))
    assert 0 < torch.load(path, weights_only=True)["state_dict"]["augment.p"] < 1
    again = play(game_of(config, key="other"), data_of(config), tmp_path, checkpoint=path)
    expected, found = straight.state_dict(), again.state_dict()
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def test_a_choice_of_augmentation_goes_before_the_recipes():
    def augment(*overrides):
        return type(game_of(composed("dcgan", *overrides)).augment)

    assert augment() is Translation
    assert augment("augment=none") is type(None)
    assert augment("augment=diffaugment") is Composition
    assert augment("augment=adaptive") is Adaptive
    assert type(game_of(composed("vanilla")).augment) is type(None)


def test_a_sure_discriminator_silences_the_minimax_generator_only(tmp_path):
    """Section 3 of the paper, as it shows in the logs: at a logit of -10 the slopes are sigmoid(-10) and 1."""
    norms = {}
    for loss in (Minimax(), NonSaturating()):
        with isolated("discriminator"):
            game = gan(discriminator=Recording(bias=-10.0), loss=loss)
        game.discriminator.layer.weight.data.mul_(1e-3)
        play(game, Ring(batch_size=4), tmp_path)
        norms[type(loss)] = game.read_losses()["G/gradient_norm"]
    assert norms[NonSaturating] > 1e-6
    assert norms[Minimax] / norms[NonSaturating] == pytest.approx(4.54e-5 / 0.99995, rel=0.02)


def test_the_objective_of_the_command_line_is_the_one_that_is_played():
    assert type(game_of(composed("vanilla", "objective=minimax")).loss) is Minimax
    assert type(game_of(composed("vanilla")).loss) is NonSaturating
    assert game_of(composed("vanilla", "variant.discriminator_steps=3")).discriminator_steps == 3


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_steps_than_one_are_refused(k):
    with pytest.raises(UserError, match=rf"discriminator_steps={k}"):
        gan(discriminator_steps=k)


def test_against_a_generator_that_cannot_move_d_comes_to_the_value_of_the_game(tmp_path):
    """P = N(0, 1), Q = N(0.5, 1.2^2): 1.322101 is the least that D's loss can be."""
    with isolated("networks"):
        discriminator = MLPDiscriminator(sample_shape=(1,), width=32, depth=2, dropout=0.0)
    game = GAN(
        model=GenerativeModel(generator=AffineGenerator(scale=[1.2], shift=[0.5]), prior=Normal(dim=1)),
        discriminator=discriminator,
        loss=NonSaturating(),
        training=Training(
            iterations=150,
            batch_size=4096,
            players={
                "D": PlayerSettings(optimizer=partial(torch.optim.Adam, lr=1e-2)),
                "G": PlayerSettings(optimizer=partial(torch.optim.Adam, lr=1e-2)),  # has nothing to move
            },
        ),
    )
    watch = Watch(lambda trainer, game: game.read_losses()["D/loss"])
    play(game, RefPair(batch_size=4096), tmp_path, watch)
    assert watch.seen[0] > 1.38
    assert sum(watch.seen[-75:]) / 75 == pytest.approx(1.322101, rel=0.01)
    assert sum(watch.seen[-75:]) / 75 > 1.322101 - 0.002  # from above, but for the noise of the samples
    x = torch.linspace(-2, 2, 9)[:, None]
    exact = torch.distributions.Normal(0.0, 1.0).log_prob(x) - torch.distributions.Normal(0.5, 1.2).log_prob(x)
    assert (discriminator(x) - exact).abs().max() < 0.25


def test_dcgan_at_64_pixels_has_the_papers_parameters():
    sizes = "data.image_size=64", "data.channels=3", "network.model.generator.width=64", "network.model.prior.dim=100"
    config = composed("dcgan", *sizes, small=False)
    game = game_of(config)
    game.setup("fit")
    assert game.parameter_counts() == {"D": 2_765_568, "G": 3_576_704}


def test_the_batch_names_what_it_needs():
    assert GAN.batch is SampleBatch


@pytest.mark.parametrize("settings", [{"loss": RelativisticAverage()}, {"penalty": DRAGAN(weight=1.0)}])
def test_what_is_no_mean_over_samples_is_not_accumulated(settings, tmp_path):
    game = gan(**settings)
    play(game, Ring(batch_size=4), tmp_path)
    halves = gan(**settings)
    halves.training_settings = replace(halves.training_settings, accumulate=2)
    with pytest.raises(UserError, match="player D is a function of the whole batch"):
        play(halves, Ring(batch_size=4), tmp_path)


def test_logits_are_of_each_sample_by_itself():
    drops = nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 1))
    game, x = gan(discriminator=drops, augment=lambda x, uniform: x + 1), torch.randn(5, 2)
    found = game.logits(x)
    assert drops.training  # as before
    assert torch.equal(found, drops.eval()(x).flatten())
    assert (game.boundary, gan(loss=Wasserstein()).boundary) == (0.0, None)
    assert gan(packing=2).logits(x) is None
