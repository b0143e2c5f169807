"""One forward pass for all players of a simultaneous update."""

import pytest
import torch

from lightning_gans.core.game import shared
from lightning_gans.core.phase import Phase
from lightning_gans.core.prior import Normal
from tests.helpers.duel import RATE, Duel, played


class Sharing(Duel):
    """X and Y read the same noise from one forward pass; each then draws some of its own."""

    def __init__(self, plan, **settings):
        super().__init__(plan, **settings)
        self.passes, self.seen = [], []

    @shared
    def forward_both(self, batch, *, scale=1.0):
        self.passes.append(scale)
        return scale * self.model.x * self.model.y, self.noise(Normal(dim=1), len(batch.x))

    def a_loss(self, batch):
        product, noise = self.forward_both(batch)
        self.seen.append((product, noise, self.noise(Normal(dim=1), len(batch.x))))
        sign = 1 if len(self.seen) % 2 else -1
        return {"loss": sign * product}


def test_a_shared_pass_runs_once_for_a_tuple(tmp_path):
    game = Sharing(lambda game: [(Phase("X", game.a_loss), Phase("Y", game.a_loss))])
    played(game, tmp_path)
    assert game.passes == [1.0]
    (one, noise, extra), (two, same_noise, same_extra) = game.seen
    assert one is two
    assert noise is same_noise
    assert torch.equal(extra, same_extra)
    assert not torch.equal(extra, noise)  # drawn after the pass, in the second phase as well
    assert game.at == pytest.approx((1.0 - RATE * 2.0, 2.0 + RATE * 1.0))


def test_a_shared_pass_runs_in_every_phase_that_moves_alone(tmp_path):
    game = Sharing(lambda game: [Phase("X", game.a_loss), Phase("Y", game.a_loss)])
    played(game, tmp_path)
    assert game.passes == [1.0, 1.0]
    assert not torch.equal(game.seen[0][1], game.seen[1][1])  # noise of its own
    game = Sharing(lambda game: [(Phase("X", game.a_loss), Phase("Y", game.a_loss))], iterations=2)
    played(game, tmp_path)
    assert game.passes == [1.0, 1.0]  # and again in the next iteration


def test_a_shared_pass_is_told_apart_by_its_arguments(tmp_path):
    def plan(game):
        def loss(batch):
            return {"loss": game.forward_both(batch)[0] + game.forward_both(batch, scale=-3.0)[0]}

        return [(Phase("X", loss), Phase("Y", loss))]

    game = Sharing(plan)
    played(game, tmp_path)
    assert game.passes == [1.0, -3.0]
    assert game.at == pytest.approx((1.0 + 2 * RATE * 2.0, 2.0 + 2 * RATE * 1.0))
