"""Odena et al. 2016: whose sign is which, both halves of the classes' cross-entropy, and what D comes to."""

from math import log

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softplus

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.phase import PlayerSettings
from lightning_gans.core.prior import Normal
from lightning_gans.core.rng import isolated, stream
from lightning_gans.losses.adversarial import Minimax, NonSaturating, RelativisticPairing, Wasserstein
from lightning_gans.losses.penalties import GradientPenalty
from lightning_gans.models import ConditionalGenerativeModel
from lightning_gans.networks.auxiliary import AuxiliaryMLPDiscriminator
from lightning_gans.variants.acgan import ACGAN
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play
from tests.variants.test_cgan import Shifted, gan, training


class Heads(nn.Module):
    """A linear D with two heads, that remembers what it was shown."""

    def __init__(self, inputs=2, classes=3):
        super().__init__()
        self.source, self.classes = nn.Linear(inputs, 1), nn.Linear(inputs, classes)
        self.seen = []

    def forward(self, x):
        self.seen.append(x)
        return self.source(x), self.classes(x)


def batch(n=6, dim=2):
    generator = stream("pairs")
    return SampleBatch(torch.randn(n, dim, generator=generator), torch.arange(n) % 3)


def acgan(**settings):
    with isolated("heads"):
        discriminator = Heads()
    return gan(kind=ACGAN, **{"discriminator": discriminator, **settings})


def test_the_terms_are_the_papers(tmp_path):
    """D descends -(L_S + L_C), both halves of both; G descends L_S - L_C, of which its own samples are half."""
    game, data = acgan(loss=Minimax(), training=training(1, learning_rate=0.0)), batch()
    play(game, [data], tmp_path)
    d, losses = game.discriminator, game.read_losses()
    (real, fake, last) = d.seen
    assert torch.equal(real, data.x)
    expected = {
        "D/real": softplus(-d.source(real)).mean(),
        "D/fake": softplus(d.source(fake)).mean(),
        "D/class_real": cross_entropy(d.classes(real), data.label),
        "D/class_fake": cross_entropy(d.classes(fake), data.label),
        "G/adversarial": -softplus(d.source(last)).mean(),
        "G/class": cross_entropy(d.classes(last), data.label),
    }
    for name, value in expected.items():
        assert losses[name] == pytest.approx(value.item(), rel=1e-5), name
    assert losses["D/loss"] == pytest.approx(sum(v.item() for k, v in expected.items() if k[0] == "D"), rel=1e-5)
    assert losses["G/loss"] == pytest.approx(sum(v.item() for k, v in expected.items() if k[0] == "G"), rel=1e-5)


def test_the_weights_are_of_the_classes_terms_alone(tmp_path):
    plain, weighted = (
        play(acgan(training=training(1, learning_rate=0.0), **weights), [batch()], tmp_path).read_losses()
        for weights in ({}, {"discriminator_class_weight": 3.0, "generator_class_weight": 0.1})
    )
    factors = {"D/class_real": 3.0, "D/class_fake": 3.0, "G/class": 0.1}
    for name in ("D/real", "D/fake", "D/class_real", "D/class_fake", "G/adversarial", "G/class"):
        assert weighted[name] == pytest.approx(factors.get(name, 1.0) * plain[name], rel=1e-5), name


def test_the_classes_of_generated_samples_can_be_left_out_of_ds_loss(tmp_path):
    """igul222/improved_wgan_training, gan_cifar_resnet.py: the cross-entropy of real images alone, 0.1 of it for G."""
    settings = {"loss": Wasserstein(), "fake_class_weight": 0.0, "generator_class_weight": 0.1}
    game, data = acgan(**settings, training=training(1, learning_rate=0.0)), batch()
    play(game, [data], tmp_path)
    d, losses = game.discriminator, game.read_losses()
    (real, fake, last) = d.seen
    on_classes = cross_entropy(d.classes(real), data.label)
    critic = d.source(fake).mean() - d.source(real).mean()
    assert "D/class_fake" not in losses
    assert losses["D/loss"] == pytest.approx((critic + on_classes).item(), rel=1e-4)
    assert losses["G/class"] == pytest.approx(0.1 * cross_entropy(d.classes(last), data.label).item(), rel=1e-5)


def test_the_classes_gradient_reaches_g_and_makes_its_samples_easier(tmp_path):
    """D is frozen and its source head is blind: what moves G is the classes' cross-entropy alone."""
    settings = training(60, learning_rate=0.1)
    settings.players["D"] = PlayerSettings(optimizer=None)
    game = acgan(training=settings)
    nn.init.zeros_(game.discriminator.source.weight)
    with torch.no_grad():
        game.discriminator.classes.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 1.0], [-1.0, -1.0]]))
    play(game, [batch()] * 60, tmp_path)
    assert game.read_losses()["G/gradient_norm"] > 1e-3
    with torch.no_grad():
        x = game.model(torch.randn(300, 2, generator=stream("z")), torch.arange(300) % 3)
        right = game.discriminator.classes(x).argmax(1) == torch.arange(300) % 3
    assert right.float().mean() > 0.95  # a third by chance


def test_d_is_told_no_label_and_a_penalty_sees_the_source_alone(tmp_path):
    game = acgan(penalty=GradientPenalty(weight=2.0), training=training(1, learning_rate=0.0))
    play(game, [batch()], tmp_path)
    norm = game.discriminator.source.weight.norm().item()
    assert game.read_losses()["D/penalty"] == pytest.approx(2 * (norm - 1) ** 2, rel=1e-4)


def test_several_batches_of_g_and_relativistic_losses(tmp_path):
    game = play(acgan(generator_batches=2), [batch()], tmp_path)
    assert [len(x) for x in game.discriminator.seen] == [6, 6, 12]
    assert torch.equal(game.model.generator.seen[-1][1], batch().label.repeat(2))
    game = play(acgan(loss=RelativisticPairing()), [batch()], tmp_path)
    assert [len(x) for x in game.discriminator.seen] == [6, 6, 6, 6]


def fitted(discriminator, shift, centres, tmp_path, *, iterations=300, n=1024):
    """D after training on p(x | y) = N(centre_y, 1) and q(x | y) = N(shift_y, 1)."""
    generator, label = stream("toy"), torch.arange(n) % 2
    centres = torch.tensor(centres)[:, None]
    data = [SampleBatch(torch.randn(n, 1, generator=generator) + centres[label], label) for _ in range(iterations)]
    game = ACGAN(
        model=ConditionalGenerativeModel(generator=Shifted(shift), prior=Normal(dim=1), classes=2),
        discriminator=discriminator,
        loss=NonSaturating(),
        training=training(iterations, frozen=True, learning_rate=2e-2, batch_size=n),
    )
    return play(game, data, tmp_path)


def test_on_classes_that_overlap_d_comes_to_the_posterior_of_the_mixture(tmp_path):
    """Both halves count: real classes at -1 and 1, generated ones at 0 and 3. CE -> H(C | x) of (p + q) / 2."""
    with isolated("d"):
        d = AuxiliaryMLPDiscriminator(sample_shape=(1,), width=32, depth=1, dropout=0.0, classes=2)
    fitted(d, [0.0, 3.0], [-1.0, 1.0], tmp_path)
    x = torch.linspace(-5, 7, 2001, dtype=torch.float64)[:, None]
    density = [
        sum(torch.distributions.Normal(c, 1.0).log_prob(x).exp() for c in centres) / 2
        for centres in ((-1.0, 0.0), (1.0, 3.0))
    ]
    posterior = density[1] / (density[0] + density[1])
    with torch.no_grad():
        found = d(x.float())[1].double().log_softmax(1)
    step, weight = 12 / 2000, (density[0], density[1])
    entropy = -sum((w * p.log()).nan_to_num().sum() for w, p in zip(weight, (1 - posterior, posterior), strict=True))
    cross = -sum((w * found[:, c : c + 1]).sum() for c, w in enumerate(weight))
    entropy, cross = entropy.item() * step / 2, cross.item() * step / 2
    assert 0.2 < entropy < log(2)
    assert cross >= entropy
    assert cross == pytest.approx(entropy, rel=0.02)
    inside = (x.abs() < 2)[:, 0]
    assert (found[inside, 1].exp() - posterior[inside, 0]).abs().max() < 0.1


def test_on_separable_classes_the_cross_entropy_goes_to_nothing(tmp_path):
    with isolated("d"):
        d = AuxiliaryMLPDiscriminator(sample_shape=(1,), width=32, depth=1, dropout=0.0, classes=2)
    fitted(d, [-8.0, 8.0], [-7.0, 7.0], tmp_path, iterations=100, n=128)
    losses = fitted(d, [-8.0, 8.0], [-7.0, 7.0], tmp_path, iterations=3, n=128).read_losses()
    assert losses["D/class_real"] + losses["D/class_fake"] < 1e-3
    assert losses["D/class_accuracy"] == 1.0


def test_an_adaptive_augmentation_is_shown_ds_logits(tmp_path):
    config = composed("acgan", "augment=adaptive", "network.discriminator.norm=none", iterations=4)
    game = play(game_of(config), data_of(config), tmp_path)
    assert "D/augment" in game.read_losses()
