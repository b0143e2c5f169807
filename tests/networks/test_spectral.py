"""Miyato et al. 2018: the largest singular value, found by one power iteration an update."""

import copy
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from experiments.jobs.runner import make_game, warm_start
from lightning_gans.networks.resnet import ResNetDiscriminator
from lightning_gans.networks.spectral import SpectralNorm, estimate_norms, spectrally_normalized
from tests.helpers.composed import composed, data_of
from tests.helpers.play import Watch, play

LAYERS = {
    "convolution": (lambda: nn.Conv2d(3, 8, 3), torch.randn(2, 3, 8, 8)),
    "linear": (lambda: nn.Linear(6, 4), torch.randn(2, 6)),
    "embedding": (lambda: nn.Embedding(5, 7), torch.tensor([0, 3, 3])),
}


def normalized(kind="linear"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return spectrally_normalized(LAYERS[kind][0]())


def parts(layer):
    parametrization = layer.parametrizations.weight
    return parametrization.original, parametrization[0]


def largest(weight):
    return torch.linalg.svdvals(weight.detach().flatten(1).double())[0].item()


def test_power_iterations_rise_to_the_largest_singular_value():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weight = torch.randn(64, 27)
        norm = SpectralNorm(weight)
        norm.u.copy_(nn.functional.normalize(torch.randn(64), dim=0))
    ratios = []
    for _ in range(100):
        norm.iterate(weight)
        ratios.append((norm.u @ weight @ norm.v).item() / largest(weight))
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(ratios))
    assert ratios[0] < 0.9
    assert ratios[9] > 0.97
    assert 0.999 < ratios[99] < 1 + 1e-5


def estimates(network):
    """sigma(W) as estimated by each normalised layer, relative to its largest singular value."""
    lists = [module for module in network.modules() if isinstance(module, nn.utils.parametrize.ParametrizationList)]
    return [
        (norm.u @ part.original.flatten(1) @ norm.v).item() / largest(part.original)
        for part, norm in ((part, part[0]) for part in lists)
    ]


def test_new_weights_are_normalised_before_any_update():
    """A generator may move first: it must not divide by u^T W v of two random directions."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = ResNetDiscriminator(
            channels=3, image_size=32, width=128, pool="sum", spectral_norm=True, bias=False, classes=10
        )
        found = estimates(network)
        assert len(found) == 12
        assert all(0.95 < ratio < 1 + 1e-5 for ratio in found), found
        with torch.no_grad():
            for weight in network.parameters():
                weight.normal_()
        assert not all(0.9 < ratio < 1.1 for ratio in estimates(network))
        estimate_norms(network)

        assert all(0.95 < ratio < 1 + 1e-5 for ratio in estimates(network)), estimates(network)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("autocast", [False, True])
def test_the_weight_used_has_a_largest_singular_value_of_one(kind, autocast):
    layer = normalized(kind)
    weight, norm = parts(layer)
    for _ in range(200):
        norm.iterate(weight)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        assert largest(layer.weight) == pytest.approx(1, abs=1e-4)
        assert layer.weight.dtype == torch.float32


@pytest.mark.parametrize("kind", LAYERS)
def test_the_gradient_is_orthogonal_to_the_weight(kind):
    """The loss does not change with the scale of W, if u and v are constants that follow it."""
    layer = normalized(kind).double()
    weight, _ = parts(layer)
    x = LAYERS[kind][1]
    out = layer(x.double() if x.is_floating_point() else x)
    (gradient,) = torch.autograd.grad(out.tanh().sum(), weight)
    assert gradient.norm() > 1e-3
    assert abs((gradient * weight).sum()) < 1e-14 * gradient.norm() * weight.norm() * weight.numel()


def moved(layer, act):
    """Return True if u and v moved; they never do one without the other."""
    _, norm = parts(layer)
    before = norm.u.clone(), norm.v.clone()
    act()
    (u,), (v,) = ({not torch.equal(*pair)} for pair in ((norm.u, before[0]), (norm.v, before[1])))
    assert u == v
    return u


@pytest.mark.parametrize("adam", [{"fused": True}, {"foreach": True}, {"foreach": False}])
def test_one_iteration_an_update(adam):
    layer, x = normalized(), LAYERS["linear"][1]
    optimizer = torch.optim.Adam(layer.parameters(), **adam)
    for _ in range(3):
        optimizer.zero_grad()
        assert not moved(layer.eval(), lambda: layer(x))
        layer.train()
        assert not moved(layer.requires_grad_(False), lambda: layer(x))  # another player's turn
        layer.requires_grad_(True)
        assert moved(layer, lambda: layer(x))
        assert not moved(layer, lambda: layer(x).sum().backward())
        optimizer.step()


def test_u_and_v_are_kept_and_copied():
    layer = normalized()
    layer(LAYERS["linear"][1])
    names = {"parametrizations.weight.0.u", "parametrizations.weight.0.v", "parametrizations.weight.original", "bias"}
    assert set(layer.state_dict()) == names
    other = spectrally_normalized(nn.Linear(6, 4))
    other.load_state_dict(layer.state_dict())
    twin = copy.deepcopy(layer)
    for copied in (other, twin):
        assert torch.equal(copied.eval()(LAYERS["linear"][1]), layer.eval()(LAYERS["linear"][1]))
    with torch.no_grad():
        parts(twin)[0].mul_(2)
        parts(twin)[1].u.zero_()
    assert parts(layer)[1].u.norm() == pytest.approx(1, abs=1e-5)


def test_gradient_penalties_and_channels_last_go_through_it():
    layer, x = normalized("convolution"), LAYERS["convolution"][1].clone().requires_grad_()
    plain = layer.eval()(x)
    layer.to(memory_format=torch.channels_last)
    assert torch.allclose(layer(x), plain, atol=1e-6)
    layer.train()
    gradient = partial(torch.autograd.grad, inputs=x, create_graph=True)
    (first,) = gradient(layer(x).tanh().sum())
    (second,) = gradient(layer(x).tanh().sum())
    (first.square().sum() + second.square().sum()).backward()
    assert parts(layer)[0].grad.abs().max() > 0


def test_a_module_without_a_weight_is_refused():
    with pytest.raises(AttributeError, match="weight"):
        spectrally_normalized(nn.ReLU())
    with pytest.raises(TypeError, match="BatchNorm2d has no weight"):
        spectrally_normalized(nn.BatchNorm2d(3, affine=False))


# In a run


def small_sngan(*overrides):
    return composed("geometric", "network=sngan", "data=digits", "variant.generator_steps=10", *overrides)


def test_weights_of_another_kind_of_start_are_normalised_too(tmp_path):
    def ratios(game):
        return estimates(game.discriminator)

    game = make_game(small_sngan("init=normal", "init.std=0.5"))
    assert all(0.9 < ratio < 1 + 1e-5 for ratio in ratios(game)), ratios(game)
    # Of another run, whose u, v and weights fit in part: its images have three channels.
    other, path = make_game(small_sngan("data.channels=3", "seed=5")), tmp_path / "other.ckpt"
    torch.save({"state_dict": other.state_dict()}, path)
    warm_start(game, path)
    assert all(0.9 < ratio < 1 + 1e-5 for ratio in ratios(game)), ratios(game)


def test_a_generator_that_moves_ten_times_for_each_step_of_d_meets_logits_of_order_one(tmp_path):
    config = small_sngan()
    watch = Watch(lambda trainer, game: game.read_losses())
    play(make_game(config), data_of(config), tmp_path, watch)
    assert ["D/loss" in losses for losses in watch.seen] == [step % 10 == 0 for step in range(12)]
    assert max(abs(losses["G/loss"]) for losses in watch.seen) < 10
