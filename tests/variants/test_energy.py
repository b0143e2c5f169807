"""A discriminator against its own chains."""

from functools import partial

import pytest
import torch
from torch import nn

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.rng import stream
from lightning_gans.losses.adversarial import NonSaturating, Wasserstein
from lightning_gans.models.energy import EnergyModel
from lightning_gans.variants.energy import EnergyBased
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


class Moments(nn.Module):
    """D(x) = theta . (x, x^2): an exponential family."""

    def __init__(self):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([0.0, -0.5]))

    def forward(self, x):
        return torch.cat([x, x.square()], 1) @ self.theta[:, None]


def moments(loss=None, *, magnitude_weight=0.0, iterations=3, buffer=500, fresh_share=0.05, lr=0.1, data_noise=0.0):
    sgd = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=lr))
    model = EnergyModel(
        discriminator=Moments(), shape=(1,), steps=5, step_size=0.05, noise=0.1**0.5, low=-6.0, high=6.0
    )
    return EnergyBased(
        model=model,
        loss=loss or Wasserstein(),
        training=Training(iterations=iterations, batch_size=100, players={"D": sgd}),
        steps=5,
        buffer=buffer,
        fresh_share=fresh_share,
        magnitude_weight=magnitude_weight,
        data_noise=data_noise,
    )


def batches(n, mean=1.0):
    return [SampleBatch(torch.randn(100, 1, generator=stream("data", i)) + mean) for i in range(n)]


def test_the_gradient_is_the_difference_of_moments(tmp_path):
    game, seen = moments(iterations=1), []
    negatives = game.negatives
    game.negatives = lambda n: seen.append(negatives(n)) or seen[0]
    (batch,) = batches(1)
    play(game, [batch], tmp_path)
    phi = [torch.cat([x, x.square()], 1).mean(0) for x in (batch.x, seen[0])]
    moved = game.model.discriminator.theta.detach() - torch.tensor([0.0, -0.5])
    torch.testing.assert_close(moved, 0.1 * (phi[0] - phi[1]))
    assert moved.abs().max() > 0.05


def test_moments_that_match_leave_it_where_it_is():
    game = moments()
    (batch,) = batches(1)
    game.negatives = lambda n: batch.x.flip(0)
    loss = sum(game.discriminator_loss(batch).values())
    (gradient,) = torch.autograd.grad(loss, game.model.discriminator.theta)
    assert gradient.abs().max() < 1e-6


def test_it_learns_the_density(tmp_path):
    # p ~ exp(theta . phi) is N(1, 1) at theta = (1, -1/2).
    game = moments(iterations=250, buffer=100, fresh_share=0.0, lr=0.02)  # young chains are not of p yet
    play(game, batches(250), tmp_path)
    assert game.model.discriminator.theta.detach().tolist() == pytest.approx([1.0, -0.5], abs=0.25)


def test_scores_are_held_by_their_magnitude():
    (batch,) = batches(1)
    game = moments(magnitude_weight=0.5)
    game.negatives = lambda n: batch.x * 2
    terms = game.discriminator_loss(batch)
    scores = [game.model.discriminator(x).square().mean() for x in (batch.x, batch.x * 2)]
    assert terms["magnitude"].item() == pytest.approx(0.5 * sum(scores).item())
    assert set(terms) == {"real", "fake", "magnitude"}


def test_noise_widens_the_data_within_the_box_of_the_chains(tmp_path):
    game, seen = moments(iterations=2, data_noise=3.0), []
    positives = game.positives
    game.positives = lambda x: seen.append(positives(x)) or seen[-1]
    play(game, [SampleBatch(torch.zeros(100, 1))] * 2, tmp_path)
    assert not torch.equal(*seen)
    assert 2.0 < torch.cat(seen).std() < 3.5
    assert torch.cat(seen).abs().max() <= game.model.high


def test_the_lectures_loop_is_another_objective(tmp_path):
    game = moments(NonSaturating(), iterations=2)
    play(game, batches(2), tmp_path)
    assert 0 <= game.read_losses()["D/accuracy"] <= 1


def test_chains_go_on_where_they_ended(tmp_path):
    game = moments(iterations=2, fresh_share=0.0)
    play(game, batches(2), tmp_path)
    assert game.replay.count == 200
    assert game.replay.samples[:200].abs().min() > 0
    assert torch.equal(game.replay.samples[200:], torch.zeros(300, 1))
    game = moments(iterations=6, buffer=150)
    play(game, batches(6), tmp_path)
    assert game.replay.count == 600
    assert game.replay.samples.unique().numel() == 150


def test_one_chain_in_twenty_begins_anew():
    game = moments()
    game.replay.push(torch.full((500, 1), 7.0))
    game.replay.commit(lambda x: x)
    starts = game.replay.starts(torch.zeros(20_000, 1), torch.rand(20_000, 2, generator=stream("fresh")))
    assert (starts == 0).float().mean().item() == pytest.approx(0.05, abs=0.006)  # 4 deviations
    assert ((starts == 0) | (starts == 7)).all()


def test_the_buffer_keeps_the_newest():
    game = moments(buffer=5)
    for first in (0, 3, 6):
        game.replay.push(torch.arange(first, first + 3.0)[:, None])
        game.replay.commit(lambda x: x)
    assert game.replay.samples.flatten().tolist() == [5.0, 6.0, 7.0, 8.0, 4.0]
    game.replay.push(torch.arange(10.0, 22.0)[:, None])
    game.replay.commit(lambda x: x)
    assert sorted(game.replay.samples.flatten().tolist()) == [17.0, 18.0, 19.0, 20.0, 21.0]


def test_points_and_images_are_samples_of_its_own(tmp_path):
    for data, shape in (("ring", (2,)), ("digits", (1, 8, 8))):
        config = composed("energy", f"data={data}", iterations=2)
        game = play(game_of(config), data_of(config), tmp_path)
        assert game.evaluated_model().sample(3).shape == (3, *shape)
