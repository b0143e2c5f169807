"""The cause that a diverged run is given: the first thing that was not finite, and the player who made it so."""

import copy

import pytest
import torch

from lightning_gans.core.batches import SampleBatch
from lightning_gans.core.divergence import Trail
from lightning_gans.core.errors import Diverged
from lightning_gans.core.phase import Phase
from tests.helpers.duel import Duel, played
from tests.helpers.play import play
from tests.helpers.tiny import BATCH, tiny_game

NAN = float("nan")


def points(n, *, spoilt=None, by=NAN, size=BATCH):
    """n batches of points in the plane, of which one holds a number that is not finite."""
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(size, 2, generator=generator) for _ in range(n)]
    if spoilt is not None:
        batches[spoilt][-1, 1] = by
    return [SampleBatch(x) for x in batches]


def cause(game, data, folder):
    play(game, data, folder)
    with pytest.raises(Diverged) as caught:
        game.read_losses()
    return caught.value.cause, caught.value.player, str(caught.value)


@pytest.mark.parametrize("by", [NAN, float("inf"), -float("inf")])
@pytest.mark.parametrize("size", [BATCH, 1024])
def test_a_number_of_the_batch(tmp_path, by, size):
    found = cause(tiny_game(5), points(5, spoilt=2, by=by, size=size), tmp_path)
    assert found == ("data", "", "The training batch (x) of iteration 3 holds NaN or infinite numbers.")


@pytest.mark.parametrize("player, at", [("D", "iteration 1, in the phase of player G"), ("G", "iteration 2")])
@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_a_learning_rate(tmp_path, player, at, rate):
    """The other player's loss or gradient is the first that is not finite, and is not to blame."""
    game = tiny_game(12, depth=3)
    moving = tiny_game(1, learning_rate=rate).training_settings.players[player]
    game.training_settings.players[player] = moving
    kind, blamed, said = cause(game, points(12), tmp_path)
    assert (kind, blamed) == ("network", player)
    assert said.startswith(f"The output of player {player}'s network ")
    assert at in said


def test_a_term_of_the_loss(tmp_path):
    def plan(game):
        def loss(batch):
            terms = game.y_loss(batch)
            return terms | {"root": (1.0 - game.iteration - terms["brake"]).sqrt()}

        return [Phase("X", game.x_loss), Phase("Y", loss)]

    game = played(Duel(plan, iterations=4, y=0.1), tmp_path)
    with pytest.raises(Diverged, match=r"^The loss term Y/root became NaN at iteration 2; the batch") as caught:
        game.read_losses()
    assert (caught.value.cause, caught.value.player) == ("loss", "Y")


def test_a_network_without_a_step_that_explains_it(tmp_path):
    game = tiny_game(4)
    game.discriminator.register_forward_hook(
        lambda module, args, out: (out - 1e3).log() if game.iteration == 2 else None
    )
    found = cause(game, points(4), tmp_path)
    assert found[:2] == ("network", "D")
    assert found[2].startswith("The output of player D's network became NaN at iteration 3, in the phase of player D;")


def test_large_logits_from_the_start_are_not_to_blame(tmp_path):
    """A critic may have logits of any size: only their growth explains anything."""

    def loss(real, fake):
        return {"real": -real.mean(), "fake": fake.mean(), "mine": (real - 1e10).log().mean()}

    game = tiny_game(4)
    game.discriminator.register_forward_hook(lambda module, args, out: 1e9 + out)
    game.loss.discriminator = loss
    kind, player, said = cause(game, points(4), tmp_path)
    assert (kind, player) == ("loss", "D")
    assert said.startswith("The loss term D/mine became NaN at iteration 1;")


def test_what_went_wrong_before_the_last_reading_is_not_told_again(tmp_path):
    game = tiny_game(3)
    play(game, points(3), tmp_path)
    game.read_losses()
    assert game._record.trail.explain() is None


def test_networks_are_watched_in_training_alone(tmp_path):
    game = tiny_game(2)
    play(game, points(2), tmp_path)
    assert not game.discriminator._forward_hooks
    assert not game.model.generator._forward_hooks
    trail, events = Trail(), game._record.trail._events
    trail.watch({"D": [game.discriminator]})
    twin = copy.deepcopy(game.discriminator)
    trail.phase = "D"
    before = len(trail._events)
    twin(torch.zeros(1, 2))  # a copy's outputs are not the player's
    assert len(trail._events) == before
    game.discriminator(torch.zeros(1, 2))
    assert len(trail._events) == before + 1
    trail.leave()
    # A batch; real, fake and the generator that made it; two terms, a norm. G: its sample, D's logit, a term, a norm.
    assert len(events) == 2 * (1 + 3 + 3 + 4)
