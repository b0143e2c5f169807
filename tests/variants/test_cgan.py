"""Mirza & Osindero 2014: pairs (x, y), one y for G and D, and the optimum of D class by class."""

from functools import partial

import pytest
import torch
from torch import nn

from datamodules import Ring, SwissRoll
from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated, stream
from lightning_gans.losses.adversarial import NonSaturating, RelativisticPairing
from lightning_gans.losses.penalties import DRAGAN, R1, R1R2, R2, GradientPenalty, SamplePenalty
from lightning_gans.models import ConditionalGenerativeModel, GenerativeModel
from lightning_gans.networks.concatenation import ConditionalMLPDiscriminator
from lightning_gans.networks.mlp import MLPGenerator
from lightning_gans.variants.cgan import ConditionalGAN
from tests.helpers.play import play

CLASSES = 3


class Pairs(nn.Module):
    """A network on pairs, linear in both, that remembers them."""

    def __init__(self, inputs=2, outputs=1, classes=CLASSES):
        super().__init__()
        self.layer, self.label = nn.Linear(inputs, outputs), nn.Embedding(classes, outputs)
        self.seen = []

    def forward(self, x, label):
        assert len(x) == len(label)
        self.seen.append((x.detach(), label))
        return self.layer(x) + self.label(label)


class Shifted(nn.Module):
    """z (N, 1), y -> z + shift_y: a generator whose distribution is known, and that cannot move."""

    def __init__(self, shift):
        super().__init__()
        self.register_buffer("shift", torch.tensor(shift)[:, None])

    def forward(self, z, label):
        return z + self.shift[label]


def training(iterations, *, frozen=False, learning_rate=1e-3, batch_size=4, **settings):
    decay = partial(torch.optim.lr_scheduler.LinearLR, start_factor=1.0, end_factor=0.01, total_iters=iterations)
    adam = PlayerSettings(optimizer=partial(torch.optim.Adam, lr=learning_rate), schedule=decay)
    players = {"D": adam, "G": PlayerSettings(optimizer=None) if frozen else adam}
    return Training(iterations=iterations, batch_size=batch_size, players=players, **settings)


def gan(*, iterations=1, classes=CLASSES, kind=ConditionalGAN, **settings):
    with isolated("networks"):
        generator, discriminator = Pairs(outputs=2, classes=classes), Pairs(classes=classes)
    model = ConditionalGenerativeModel(generator=generator, prior=Normal(dim=2), classes=classes)
    arguments = {
        "model": model,
        "discriminator": discriminator,
        "loss": NonSaturating(),
        "training": training(iterations),
    }
    return kind(**{**arguments, **settings})


def batches(iterations, n=4, dim=2):
    generator = stream("pairs")
    return [
        SampleBatch(torch.randn(n, dim, generator=generator), torch.randint(CLASSES, (n,), generator=generator))
        for _ in range(iterations)
    ]


def test_the_label_that_g_is_told_is_the_one_that_d_sees(tmp_path):
    game, data = gan(iterations=3), batches(3)
    play(game, data, tmp_path)
    told, seen = game.model.generator.seen, game.discriminator.seen
    assert (len(told), len(seen)) == (6, 9)  # G in both phases; D on real, on fake, on G's
    for i, batch in enumerate(data):
        for _, label in (*told[2 * i : 2 * i + 2], *seen[3 * i : 3 * i + 3]):
            assert torch.equal(label, batch.label)
        assert torch.equal(seen[3 * i][0], batch.x)
    codes = torch.cat([z for z, _ in told])
    assert len(codes.unique(dim=0)) == len(codes)  # the noise is fresh all the same


def test_several_batches_of_g_repeat_the_labels(tmp_path):
    game, data = gan(generator_batches=3), batches(1)
    play(game, data, tmp_path)
    (_, (_, told)), (*_, (x, seen)) = game.model.generator.seen, game.discriminator.seen
    assert x.shape == (12, 2)
    assert torch.equal(told, data[0].label.repeat(3))
    assert torch.equal(seen, told)


def test_d_is_another_function_for_another_label(tmp_path):
    """Permuting y in D's input changes its logits, and its loss."""
    game, (batch,) = gan(), batches(1)
    assert not torch.equal(game.judge(batch.x, batch), game.judge(batch.x, batch._replace(label=batch.label.roll(1))))


@pytest.mark.parametrize(
    "penalty", [R1(gamma=1.0), R2(gamma=1.0), R1R2(gamma=1.0), GradientPenalty(weight=1.0), DRAGAN(weight=1.0)]
)
def test_a_penalty_sees_the_labels_of_the_batch(penalty, tmp_path):
    game, data = gan(penalty=penalty), batches(1)
    play(game, data, tmp_path)
    assert all(torch.equal(label, data[0].label) for _, label in game.discriminator.seen)
    own_pass = not isinstance(penalty, SamplePenalty)  # at samples that the loss is of, D has judged already
    assert len(game.discriminator.seen) == 3 + own_pass
    assert game.read_losses()["D/penalty"] > 0


def test_relativistic_losses_play(tmp_path):
    game = play(gan(loss=RelativisticPairing()), batches(1), tmp_path)
    assert len(game.discriminator.seen) == 4


def optimum(discriminator, tmp_path, *, iterations=300, n=1024):
    """The logits (2, points) that D comes to on p(x | y) = N(0, 1) against q(x | 0) = N(1, 1), q(x | 1) = N(-1, 1).

    Over both classes together, p and q differ in their variance alone: their log ratio is even in x, and each class's
    is (1 - 2x) / 2 or (1 + 2x) / 2.
    """
    generator = stream("toy")
    label = torch.arange(n) % 2
    data = [SampleBatch(torch.randn(n, 1, generator=generator), label) for _ in range(iterations)]
    game = ConditionalGAN(
        model=ConditionalGenerativeModel(generator=Shifted([1.0, -1.0]), prior=Normal(dim=1), classes=2),
        discriminator=discriminator,
        loss=NonSaturating(),
        training=training(iterations, frozen=True, learning_rate=4e-2, batch_size=n),
    )
    play(game, data, tmp_path)
    x = torch.linspace(-1.5, 1.5, 13)[:, None]
    with torch.no_grad():
        found = torch.stack([discriminator(x, torch.full((13,), y)) for y in (0, 1)])[..., 0]
    return found, torch.stack([(1 - 2 * x) / 2, (1 + 2 * x) / 2])[..., 0]


class Projection(nn.Module):
    """D(x, y) = psi(x) + <e_y, phi(x)> with phi(x) = (x, 1): Miyato & Koyama 2018 in its smallest form."""

    def __init__(self):
        super().__init__()
        self.psi, self.embedding = nn.Linear(1, 1), nn.Embedding(2, 2)

    def forward(self, x, label):
        phi = torch.cat([x, torch.ones_like(x)], dim=1)
        return self.psi(x) + (self.embedding(label) * phi).sum(1, keepdim=True)


@pytest.mark.parametrize("how", ["concatenation", "projection"])
def test_against_a_generator_that_cannot_move_d_comes_to_each_classes_log_ratio(how, tmp_path):
    with isolated(how):
        discriminator = (
            Projection()
            if how == "projection"
            else ConditionalMLPDiscriminator(sample_shape=(1,), width=32, depth=1, dropout=0.0, classes=2)
        )
    found, expected = optimum(discriminator, tmp_path)
    assert (found - expected).abs().max() < 0.15  # the classes' own ratios are up to 3 apart
    assert (expected[0] - expected[1]).abs().max() == 3


def test_two_micro_batches_are_one(tmp_path):
    games = [gan(iterations=3, training=training(3, accumulate=k)) for k in (1, 2)]
    for game in games:
        play(game, batches(3), tmp_path, precision="64-true")
    for one, two in zip(*(game.parameters() for game in games), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)


# Refusals


def test_packing_is_refused():
    with pytest.raises(UserError, match=r"variant\.packing=2: ConditionalGAN judges each sample by its own label"):
        gan(packing=2)


def test_a_model_that_takes_no_label_is_refused():
    network = MLPGenerator(latent_dim=2, sample_shape=(2,), width=4, depth=1, batch_norm=False, output="linear")
    with pytest.raises(UserError, match="a GenerativeModel takes none"):
        gan(model=GenerativeModel(generator=network, prior=Normal(dim=2)))


class Explained(SwissRoll):
    why_unlabelled = "One file lies beside the folders."


def test_data_without_labels_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"these data have no labels y\. Choose labelled data \(digits"):
        play(gan(), SwissRoll(batch_size=4), tmp_path)
    with pytest.raises(UserError, match=r"no labels y\. One file lies beside the folders\. Choose"):
        play(gan(), Explained(batch_size=4), tmp_path)
    with pytest.raises(UserError, match="have no labels"):
        play(gan(), [SampleBatch(torch.zeros(4, 2))], tmp_path)


def test_another_number_of_classes_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"knows 3 classes, and the data have 8\. Say network\.model\.classes=8"):
        play(gan(), Ring(batch_size=4), tmp_path)
    assert play(gan(classes=8), Ring(batch_size=4), tmp_path).iteration == 1


def test_generated_samples_can_have_labels_of_their_own(tmp_path):
    """pfnet-research/sngan_projection: y of generated samples is drawn uniformly, for D's step and for G's."""
    real = torch.zeros(1200, dtype=torch.long)  # a data set of one class
    game = gan(fake_labels="uniform", generator_batches=2, training=training(1, batch_size=1200))
    play(game, [SampleBatch(torch.randn(1200, 2), real)], tmp_path)
    (_, first), (_, second) = game.model.generator.seen
    (_, on_real), (_, on_fake), (_, in_g) = game.discriminator.seen
    assert torch.equal(on_real, real)
    assert torch.equal(on_fake, first)
    assert torch.equal(in_g, second)
    assert len(second) == 2400
    assert not torch.equal(second[:1200], second[1200:])
    for labels in (first, second):
        assert torch.bincount(labels) / len(labels) == pytest.approx(torch.full((3,), 1 / 3), abs=0.05)


def test_labels_of_their_own_fit_no_penalty_on_generated_points():
    gan(fake_labels="uniform", penalty=R1(gamma=1.0))
    with pytest.raises(UserError, match=r"fake_labels=uniform: GradientPenalty judges generated samples"):
        gan(fake_labels="uniform", penalty=GradientPenalty(weight=1.0))
    with pytest.raises(UserError, match=r"fake_labels=real: batch or uniform"):
        gan(fake_labels="real")
