"""CycleGAN's terms, each by a closed form, and what goes through which network."""

from functools import partial

import pytest
import torch
from torch import nn

from lightning_gans.core.batches import UnpairedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.rng import Draws, stream
from lightning_gans.losses.adversarial import LeastSquares, NonSaturating, RelativisticPairing
from lightning_gans.models.translation import TranslationModel
from lightning_gans.variants.cyclegan import CycleGAN
from tests.helpers.play import play

SGD = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=0.01))


class Times(nn.Module):
    """x -> factor x, counting."""

    channels, multiple, least = 1, 1, 1

    def __init__(self, factor):
        super().__init__()
        self.factor, self.calls = nn.Parameter(torch.tensor(float(factor))), []

    def forward(self, x):
        self.calls.append(x.detach().clone())
        return self.factor * x


def game(a2b=2.0, b2a=3.0, iterations=1, *, loss=None, **settings):
    training = Training(iterations=iterations, batch_size=4, players={"D": SGD, "G": SGD})
    made = CycleGAN(
        model=TranslationModel(a2b=Times(a2b), b2a=Times(b2a)),
        discriminator_a=Times(0.5),
        discriminator_b=Times(0.25),
        loss=loss or LeastSquares(),
        training=training,
        sample_shape=(1, 2, 2),
        **settings,
    )
    made.draws = Draws(0)
    return made


def batch(key="batch"):
    a, b = torch.rand(2, 4, 1, 2, 2, generator=stream(key)) + 0.1
    return UnpairedBatch(a, b)


def test_nothing_is_lost_at_identity():
    terms = game(1.0, 1.0).generator_loss(batch())
    assert {name: term.item() for name, term in terms.items() if not name.startswith("adversarial")} == {
        "cycle_a": 0.0,
        "cycle_b": 0.0,
        "identity_a": 0.0,
        "identity_b": 0.0,
    }


def test_every_term_goes_through_its_own_networks():
    a, b = x = batch()
    terms = game(adversarial_weight=2.0, cycle_weight_a=10.0, cycle_weight_b=7.0, identity_weight=0.5).generator_loss(x)
    expected = {
        "adversarial_a2b": (0.25 * 2 * a - 1).square().mean(),  # the authors' G: no half
        "adversarial_b2a": (0.5 * 3 * b - 1).square().mean(),
        "cycle_a": 10 * (3 * 2 * a - a).abs().mean(),
        "cycle_b": 7 * (2 * 3 * b - b).abs().mean(),
        "identity_a": 5 * (3 * a - a).abs().mean(),  # b2a leaves A as it is
        "identity_b": 3.5 * (2 * b - b).abs().mean(),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value.item(), rel=1e-5), name


def test_each_discriminator_halves_its_two_terms():
    a, b = x = batch()
    terms = game(pool_size=0).discriminator_loss(x)
    expected = {
        "a_real": (0.5 * a - 1).square().mean() / 2,
        "a_fake": (0.5 * 3 * b).square().mean() / 2,
        "b_real": (0.25 * b - 1).square().mean() / 2,
        "b_fake": (0.25 * 2 * a).square().mean() / 2,
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value.item(), rel=1e-5), name


def test_without_its_weight_the_identity_term_is_gone():
    made, x = game(identity_weight=0.0), batch()
    terms = made.generator_loss(x)
    assert set(terms) == {"adversarial_a2b", "adversarial_b2a", "cycle_a", "cycle_b"}
    assert not any(torch.equal(seen, x.b) for seen in made.model.a2b.calls)


def test_an_iteration_is_six_translations(tmp_path):
    made = game(pool_size=3)
    play(made, [batch()], tmp_path)
    assert len(made.model.a2b.calls) == len(made.model.b2a.calls) == 3  # D is shown what G's own loss was made of


def test_both_players_step_from_the_same_translations(tmp_path):
    made, (a, b) = game(pool_size=2), batch()
    play(made, [batch()], tmp_path)
    assert made.model.a2b.factor.item() != 2.0
    assert torch.equal(made.pool_b.images, 2.0 * a[:2])  # made before G's step
    assert torch.equal(made.pool_a.images, 3.0 * b[:2])
    # D_B by hand: its gradient at its old weight, on the old translations (the pool hands the first ones back)
    expected = 0.25 - 0.01 * ((0.25 * b - 1) * b).mean() - 0.01 * (0.25 * (2 * a) ** 2).mean()
    assert made.discriminator_b.factor.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_full_pool_shows_old_translations(tmp_path):
    made = game(iterations=30, pool_size=4)
    play(made, [batch(f"batch {i}") for i in range(30)], tmp_path)
    shown = [x for x in made.discriminator_b.calls[2::3] if len(x)]  # on what G sees, on real, on what the pool gives
    fresh = made.discriminator_b.calls[0::3]
    old = [not torch.equal(x, y) for pair in zip(shown, fresh, strict=True) for x, y in zip(*pair, strict=True)]
    assert not any(old[:4])
    assert 0.3 < sum(old) / len(old) < 0.7


@pytest.mark.parametrize("pool_size", [0, 50])
def test_d_gives_the_translators_no_gradient(pool_size):
    made = game(pool_size=pool_size)
    sum(made.discriminator_loss(batch()).values()).backward()
    assert made.model.a2b.factor.grad is None
    assert made.discriminator_b.factor.grad.abs() > 0


def test_a_loss_that_compares_is_given_both():
    a, b = x = batch()
    terms = game(loss=RelativisticPairing(), identity_weight=0.0).generator_loss(x)
    expected = nn.functional.softplus(0.25 * b - 0.25 * 2 * a).mean()
    assert terms["adversarial_a2b"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_discriminators_and_they_alone_see_augmented_images():
    class Brighter:
        numbers = 1

        def __call__(self, x, uniform):
            assert uniform.shape == (4, 1)
            return x + 1

    a, b = x = batch()
    made = game(augment=Brighter(), identity_weight=0.0, pool_size=0)
    terms = made.generator_loss(x)
    assert terms["adversarial_a2b"].item() == pytest.approx(((0.25 * (2 * a + 1) - 1) ** 2).mean().item(), rel=1e-5)
    assert terms["cycle_a"].item() == pytest.approx(50 * a.mean().item(), rel=1e-5)
    terms = made.discriminator_loss(x)
    assert terms["a_real"].item() == pytest.approx(((0.5 * (a + 1) - 1) ** 2).mean().item() / 2, rel=1e-5)
    assert terms["a_fake"].item() == pytest.approx(((0.5 * (3 * b + 1)) ** 2).mean().item() / 2, rel=1e-5)


@pytest.mark.parametrize("name", ["adversarial_weight", "cycle_weight_a", "identity_weight", "pool_size"])
def test_weights_below_zero_are_refused(name):
    with pytest.raises(UserError, match=f"variant.{name}=-1"):
        game(**{name: -1})


def test_images_that_do_not_go_through_are_refused_before_training():
    Times.least, least = 4, Times.least
    try:
        with pytest.raises(UserError, match=r"data\.image_size and network\.translator do not fit: .*2x2 pixels"):
            game()
    finally:
        Times.least = least


def test_gs_adversarial_term_is_that_of_the_code_under_every_loss():
    x = batch()
    plain = game().generator_loss(x)["adversarial_a2b"]  # (D(G(a)) - 1)^2, without a half
    assert plain.item() == pytest.approx((0.25 * 2.0 * x.a - 1).square().mean().item())
    other = game(loss=NonSaturating()).generator_loss(x)["adversarial_a2b"]
    assert other.item() == pytest.approx(nn.functional.softplus(-0.25 * 2.0 * x.a).mean().item())


def test_domains_of_different_channels_have_no_identity_term():
    with pytest.raises(UserError, match=r"A has 1 channels and B 3\. Say variant\.identity_weight=0"):
        game(channels_b=3)
    assert game(channels_b=3, identity_weight=0.0).pool_b.images.shape[1] == 3
