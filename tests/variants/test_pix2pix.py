"""pix2pix: losses, noise, and a D that sees the input."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from lightning_gans.core.batches import PairedBatch
from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import PlayerSettings, Training
from lightning_gans.core.protocols import GeneratesFromImages
from lightning_gans.losses.adversarial import NonSaturating, RelativisticAverage
from lightning_gans.models.paired import PairedModel
from lightning_gans.variants.pix2pix import Pix2Pix
from tests.helpers.composed import composed, data_of, game_of
from tests.helpers.play import play


class Shift(nn.Module):
    """b = a + w: a generator without noise."""

    channels = 1

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(0.5))

    def forward(self, a):
        return a + self.w


class Sum(nn.Module):
    """The logit 2 mean(a) + mean(b)."""

    def __init__(self):
        super().__init__()
        self.v = nn.Parameter(torch.tensor([2.0, 1.0]))

    def forward(self, x):
        return x.mean((2, 3)) @ self.v[:, None]


def game(batch_size=2, loss=None, **settings):
    player = PlayerSettings(optimizer=partial(torch.optim.SGD, lr=0.0))
    return Pix2Pix(
        model=PairedModel(generator=Shift()),
        discriminator=Sum(),
        loss=loss or NonSaturating(),
        training=Training(iterations=1, batch_size=batch_size, players={"D": player, "G": player}),
        image_size=8,
        **settings,
    )


def batch():
    a = torch.stack([torch.full((1, 8, 8), value) for value in (0.1, -0.3)])
    return PairedBatch(a, a + 0.2)


def losses(played, folder):
    play(played, [batch()], folder)
    return played.read_losses()


def test_the_losses_are_the_papers(tmp_path):
    found = losses(game(), tmp_path)
    a, b = torch.tensor([0.1, -0.3]), torch.tensor([0.3, -0.1])
    real, fake = 2 * a + b, 2 * a + (a + 0.5)
    expected = {
        "D/real": softplus(-real).mean() / 2,
        "D/fake": softplus(fake).mean() / 2,
        "G/l1": torch.tensor(100 * 0.3),
        "G/adversarial": softplus(-fake).mean(),
    }
    assert {name: found[name] for name in expected} == pytest.approx(
        {k: v.item() for k, v in expected.items()}, rel=1e-5
    )


def test_a_wrong_pair_is_what_another_input_has(tmp_path):
    found = losses(game(wrong_pair_weight=0.25), tmp_path)
    a, b = torch.tensor([0.1, -0.3]), torch.tensor([0.3, -0.1])
    wrong = 2 * a.flip(0) + b
    assert found["D/wrong_fake"] == pytest.approx((0.25 * softplus(wrong).mean() / 2).item(), rel=1e-5)
    assert found["D/fake"] == pytest.approx((0.75 * softplus(2 * a + a + 0.5).mean() / 2).item(), rel=1e-5)
    real = softplus(-(2 * a + b)).mean() / 2
    assert found["D/real"] + found["D/wrong_real"] == pytest.approx(real.item(), rel=1e-5)


def test_l1_alone_leaves_d_out(tmp_path):
    found = losses(game(adversarial_weight=0), tmp_path)
    assert not [name for name in found if name.startswith("D/")]
    assert found["G/loss"] == found["G/l1"] if "G/loss" in found else found["G/l1"] == pytest.approx(30)


def test_an_objective_on_pairs_of_logits(tmp_path):
    assert losses(game(loss=RelativisticAverage()), tmp_path)["G/adversarial"] > 0


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"l1_weight": 0, "adversarial_weight": 0}, "nothing to descend"),
        ({"wrong_pair_weight": 0.5, "batch_size": 1}, "data.batch_size=2"),
    ],
)
def test_what_makes_no_game_is_refused(settings, said):
    with pytest.raises(UserError, match=said):
        game(**settings)


def test_outputs_follow_the_place_of_their_noise():
    config = composed("pix2pix")
    model = game_of(config).model
    assert isinstance(model, GeneratesFromImages)
    x = next(data_of(config).parts["a"].split("test").batches(40)).x
    whole = model.generate(x, seed=3)
    parts = torch.cat([model.generate(x[:5], seed=3), model.generate(x[5:], seed=3, start=5)])
    assert torch.allclose(parts, whole, atol=1e-6)
    assert not torch.allclose(model.generate(x, seed=4), whole, atol=1e-3)
    with pytest.raises(UserError, match="takes 8x8"):
        model.generate(torch.zeros(1, 1, 16, 16))
