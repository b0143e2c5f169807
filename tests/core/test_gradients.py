"""Gradients: measured, clipped, logged under their names, refused where they are not finite, in any precision."""

import pytest
import torch
from torch import nn

from lightning_gans.core.errors import Diverged
from lightning_gans.core.phase import Phase
from tests.helpers.duel import RATE, Duel, in_turn, played
from tests.helpers.play import Watch


class Vectors(Duel):
    """X is a vector a and the matrix of a layer: its gradient norm is over both."""

    def __init__(self, plan, **settings):
        super().__init__(plan, **settings)
        self.layer = nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_(torch.tensor([[3.0, -1.0]]))

    def players(self):
        return {"X": [self.model.x, self.layer], "Y": [self.model.y]}

    def loss(self, batch):
        return {"square": self.model.x**2, "layer": (self.layer.weight**2).sum() / 2}


NORM = (2.0**2 + 3.0**2 + 1.0**2) ** 0.5  # of (2 x, weight) at x = 1


def only_x(game):
    return [Phase("X", game.loss)]


@pytest.mark.parametrize("clip_norm, scale", [(None, 1.0), (100.0, 1.0), (0.5, 0.5 / NORM), (1e-3, 1e-3 / NORM)])
def test_gradients_are_measured_whole_and_then_clipped(tmp_path, clip_norm, scale):
    game = Vectors(only_x)
    game.training_settings.players["X"] = game.descent("X", clip_norm=clip_norm)
    before = torch.tensor([1.0, 3.0, -1.0])
    played(game, tmp_path)
    after = torch.cat([game.model.x.detach()[None], game.layer.weight.detach()[0]])
    gradient = torch.tensor([2.0, 3.0, -1.0])
    torch.testing.assert_close((before - after) / RATE, scale * gradient, rtol=1e-3, atol=1e-5)
    if clip_norm == 0.5:
        assert ((before - after) / RATE).norm().item() == pytest.approx(0.5, rel=1e-5)
    assert game.read_losses()["X/gradient_norm"] == pytest.approx(NORM, rel=1e-6)


def test_terms_are_logged_by_name_and_their_sum_is_descended(tmp_path):
    watch = Watch(lambda trainer, game: dict(game.read_losses()))
    played(Duel(in_turn, iterations=2), tmp_path, watch)
    first, second = watch.seen
    assert first["X/loss"] == pytest.approx(2.0)
    assert first["X/gradient_norm"] == pytest.approx(2.0)
    assert first["Y/game"] == pytest.approx(-0.8 * 2.0)
    assert first["Y/brake"] == pytest.approx(2.0)
    assert first["Y/loss"] == pytest.approx(-1.6 + 2.0)
    assert first["Y/gradient_norm"] == pytest.approx(abs(-0.8 + 2.0))
    assert set(first) == {"X/loss", "X/gradient_norm", "Y/game", "Y/brake", "Y/loss", "Y/gradient_norm"}
    assert second["X/loss"] == pytest.approx(0.8 * 1.88)


def test_readings_are_means_since_the_last_one(tmp_path):
    game = played(Duel(in_turn, iterations=2), tmp_path)
    assert game.read_losses()["X/loss"] == pytest.approx((2.0 + 0.8 * 1.88) / 2)


def test_monitored_values_are_means_too(tmp_path):
    def plan(game):
        def loss(batch):
            game.monitor("X/seen", batch.x.mean())
            return game.x_loss(batch)

        return [Phase("X", loss)]

    game = played(Duel(plan, iterations=3), tmp_path)
    assert game.read_losses()["X/seen"] == pytest.approx((1.5 + 2.5 + 3.5) / 3)


def going_wrong(where):
    def plan(game):
        def loss(batch):
            y = game.model.y
            if game.iteration != 2:
                return {"loss": y**2}
            if where == "loss":
                return {"loss": y**2 + torch.tensor(float("nan"))}
            return {"loss": (y - y.detach()).abs().sqrt() + y}  # 0, and of infinite slope

        return [Phase("X", game.x_loss), Phase("Y", loss)]

    return plan


@pytest.mark.parametrize(
    "where, said",
    [
        ("loss", "The loss term Y/loss became NaN at iteration 3; "),
        ("gradient", "The gradient of player Y became NaN at iteration 3; its loss was finite."),
    ],
)
def test_a_run_that_diverged_names_player_and_iteration(tmp_path, where, said):
    game = played(Duel(going_wrong(where), iterations=5), tmp_path)
    with pytest.raises(Diverged) as caught:
        game.read_losses()
    assert str(caught.value).startswith(said)
    assert (caught.value.cause, caught.value.player) == (where, "Y")


# Precision


class Layer(Duel):
    """X is a layer, whose output on ones both phases report."""

    def __init__(self, plan, **settings):
        super().__init__(plan, **settings)
        self.layer = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.layer.weight)
        self.seen = []

    def players(self):
        return {"X": [self.layer, self.model.x], "Y": [self.model.y]}

    def output(self, batch):
        out = self.layer(torch.ones(1, 1)).float().sum()
        self.seen.append(out.item())
        return {"loss": out}


def test_a_second_phase_of_a_player_sees_its_new_weights_under_autocast(tmp_path):
    game = Layer(lambda game: [Phase("X", game.output), Phase("X", game.output)])
    game.training_settings.players["X"] = game.descent("X", rate=0.25)
    played(game, tmp_path, precision="bf16-mixed")
    assert game.seen == [1.0, 0.75]
    assert game.layer.weight.item() == 0.5
    assert game.layer.weight.dtype == torch.float32


def test_a_pass_without_gradients_leaves_the_next_one_its_own_under_autocast(tmp_path):
    def plan(game):
        def y_loss(batch):
            with torch.no_grad():
                game.output(batch)
            return game.y_loss(batch)

        return [(Phase("Y", y_loss), Phase("X", game.output))]

    game = played(Layer(plan), tmp_path, precision="bf16-mixed")
    assert game.seen == [1.0, 1.0]
    assert game.layer.weight.item() == pytest.approx(1 - RATE)
