"""Penalties at the samples of D's loss are read from the loss's own pass; under autocast they stay within 1 %."""

import pytest
import torch

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.rng import Draws
from lightning_gans.losses.penalties import needs_float32
from tests.helpers.composed import composed, data_of, game_of

PENALISED = [
    ("wgan_gp", "data=digits"),
    ("wgan_gp", "data=digits", "network=resnet"),
    ("wgan_gp", "data=ring"),
    ("dragan", "data=digits"),
    ("dragan", "data=grid"),
    ("r3gan", "data=digits"),
    ("r3gan", "data=ring"),
    ("r3gan_conditional", "data=digits"),
    ("fgan", "data=ring"),
    ("fgan", "data=grid"),
    ("dcgan", "penalty=r1", "network.discriminator.norm=none"),
    ("acgan", "penalty=r2", "network.discriminator.norm=none"),
    ("infogan", "network=mlp", "penalty=r1_r2", "network.model.encoder.batch_norm=false"),
    ("pacgan", "data=digits", "penalty=r1_r2", "network.discriminator.norm=none"),
]


def ready(*cell):
    """A game that may draw, its batch and generated samples."""
    config = composed(*cell)
    game = game_of(config)
    game.draws = Draws(0)
    data = data_of(config)
    batch = next(data.iteration_batches(0, 1, seed=0))
    game.draws.start(0, 0, 0)
    with torch.no_grad():
        fake = game.generated(batch)
    for module in game.modules():  # another pass drops other units
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    game.augment = None
    return game, batch, fake


def of_the_loss(game, batch, fake):
    """The penalty as D's loss has it."""
    batch, fake = SampleBatch(batch.x.clone(), batch.label), fake.clone()
    game.draws.start(0, 0, 0)
    game.watch(batch.x, fake)
    on_real, on_fake = game.judge(batch.x, batch), game.judge(fake, batch)
    terms = game.completed(game.loss.discriminator(on_real, on_fake), on_real, on_fake, batch, fake)
    assert not batch.x.requires_grad
    return terms["penalty"]


def gradients(game, value):
    owned = [p for part in game.players()["D"] for p in part.parameters()]
    return [g for g in torch.autograd.grad(value, owned, allow_unused=True) if g is not None]


@pytest.mark.parametrize("cell", PENALISED, ids=" ".join)
def test_a_pass_of_the_loss_gives_the_penalty_and_the_gradients_of_a_pass_of_its_own(cell):
    game, batch, fake = ready(*cell)
    found = of_the_loss(game, batch, fake)
    game.draws.start(0, 0, 0)
    expected = game.gradient_penalty(batch, fake)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    for mine, theirs in zip(gradients(game, found), gradients(game, expected), strict=True):
        gap = (mine - theirs).norm()
        assert gap <= 1e-5 * theirs.norm() + 1e-8


@pytest.mark.parametrize("cell", PENALISED, ids=" ".join)
def test_under_autocast_the_penalty_is_within_a_hundredth_of_float32(cell):
    game, batch, fake = ready(*cell)
    exact = of_the_loss(game, batch, fake)
    with torch.autocast("cpu", torch.bfloat16):
        found = of_the_loss(game, batch, fake)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=1e-2, atol=1e-6)


def test_samples_of_few_numbers_are_differentiated_in_float32():
    points, digits = torch.zeros(4, 2), torch.zeros(4, 1, 8, 8)
    assert not needs_float32(points)
    with torch.autocast("cpu", torch.bfloat16):
        assert needs_float32(points)
        assert not needs_float32(digits)


def counted(game):
    passes = []
    game.discriminator.register_forward_hook(lambda *_: passes.append(1))
    return passes


def test_r1_makes_no_pass_of_its_own():
    game, batch, fake = ready("dcgan", "penalty=r1", "network.discriminator.norm=none")
    passes = counted(game)
    of_the_loss(game, batch, fake)
    assert len(passes) == 2  # real and generated samples


def test_a_lazy_penalty_asks_for_no_gradient_in_the_steps_between():
    game, batch, fake = ready("dcgan", "penalty=r1", "penalty.every=4", "network.discriminator.norm=none")
    game.iteration = 1
    game.watch(batch.x, fake)
    assert not batch.x.requires_grad
    game.iteration = 4
    game.watch(batch.x, fake)
    assert batch.x.requires_grad
    assert not fake.requires_grad


def test_a_loss_that_watches_nothing_has_its_penalty_all_the_same():
    """Games from elsewhere call `completed` alone."""
    game, batch, fake = ready("dcgan", "penalty=r1_r2", "network.discriminator.norm=none")
    on_real, on_fake = game.judge(batch.x, batch), game.judge(fake, batch)
    terms = game.completed(game.loss.discriminator(on_real, on_fake), on_real, on_fake, batch, fake)
    torch.testing.assert_close(terms["penalty"], of_the_loss(game, batch, fake), rtol=1e-5, atol=1e-8)
