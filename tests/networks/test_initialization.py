"""Initial weights that are asked for: their spread, what they leave alone, and that a run begins with them."""

from math import sqrt

import pytest
import torch
from torch import nn

from experiments.jobs.preflight import preflight
from experiments.jobs.runner import initialize, make_game
from lightning_gans.core.errors import UserError
from lightning_gans.networks.initialization import He, Normal, Orthogonal, Xavier
from lightning_gans.networks.spectral import spectrally_normalized
from tests.helpers.composed import VARIANTS, composed, game_of


def layers(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(64, 128, 3), nn.BatchNorm2d(128), nn.ConvTranspose2d(128, 64, 4), nn.Linear(512, 256)
    )


@pytest.mark.parametrize(
    ("init", "spread"),
    [
        (Normal(std=0.02), lambda weight: 0.02),
        (Xavier(gain=sqrt(2)), lambda weight: 2 / sqrt((len(weight) + weight.shape[1]) * weight[0, 0].numel())),
        (He(slope=0.2), lambda weight: sqrt(2 / 1.04 / weight[0].numel())),
        (Orthogonal(gain=1.4), lambda weight: 1.4 / sqrt(max(len(weight), weight[0].numel()))),
    ],
    ids=lambda it: type(it).__name__,
)
def test_spread(init, spread):
    network = layers()
    assert init(network) == 3
    for index in (0, 2, 3):
        weight = network[index].weight.detach()
        assert weight.std().item() == pytest.approx(spread(weight), rel=0.02)
        assert network[index].bias.abs().max() == 0
    assert torch.equal(network[1].weight, torch.ones(128))


def test_orthogonal():
    network = layers()
    Orthogonal(gain=1.4)(network)
    singular = torch.linalg.svdvals(network[3].weight)
    assert torch.allclose(singular, torch.full_like(singular, 1.4), atol=1e-5)


def test_under_a_spectral_norm():
    layer = spectrally_normalized(nn.Linear(32, 16))
    before = layer.parametrizations.weight.original.clone()
    assert Normal(std=0.02)(nn.Sequential(layer)) == 1
    assert layer.parametrizations.weight.original.std().item() == pytest.approx(0.02, rel=0.2)
    assert before.std() > 0.05


def test_under_a_weight_norm():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(32, 16))
    assert Orthogonal(gain=1.4)(nn.Sequential(layer)) == 1
    singular = torch.linalg.svdvals(layer.weight)
    assert torch.allclose(singular, torch.full_like(singular, 1.4), atol=1e-5)
    assert all(parameter.requires_grad for parameter in layer.parameters())


def test_a_spectral_norm_is_not_asked_for_its_weight():
    layer = spectrally_normalized(nn.Linear(32, 16))
    u = layer.parametrizations.weight[0].u.clone()
    Normal(std=0.02)(layer)
    assert torch.equal(layer.parametrizations.weight[0].u, u)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_game_takes_them(variant):
    begun = game_of(composed(variant))
    before = {name: value.clone() for name, value in begun.named_parameters()}
    initialize(begun, Normal(std=0.02))
    changed = [name for name, value in begun.named_parameters() if not torch.equal(value, before[name])]
    assert any(not name.startswith("ema.") for name in changed)
    averaged = begun.ema.model.state_dict()
    assert all(torch.equal(value, averaged[name]) for name, value in begun.model.state_dict().items())


def game(*argv):
    (job,) = preflight(["variant=vanilla", "data=ring", *argv])
    return make_game(job.config)


def test_a_run_begins_with_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun = game("init=normal", "init.std=0.5", "seed=3")
    for name, parameter in begun.named_parameters():
        if name.endswith("weight") and parameter.numel() > 1000:
            assert parameter.std().item() == pytest.approx(0.5, rel=0.05)
    averaged = dict(begun.ema.model.named_parameters())
    assert all(torch.equal(value, averaged[name]) for name, value in begun.model.named_parameters())
    again, other = game("init=normal", "init.std=0.5", "seed=3"), game("init=normal", "init.std=0.5", "seed=4")
    first = [next(iter(it.model.parameters())) for it in (begun, again, other)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_nothing_to_initialise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun = game()
    monkeypatch.setattr(type(begun), "players", lambda self: {"D": [nn.Embedding(3, 2)]})
    with pytest.raises(UserError, match=r"neither\. Say init=own"):
        initialize(begun, Orthogonal(gain=1.0))
