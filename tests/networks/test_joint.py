"""Discriminators of pairs: both halves reach the logit, and the code is told where the papers say."""

import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, leaky_relu

from lightning_gans.core.rng import isolated
from lightning_gans.networks.dcgan import IMAGE_SIZES
from lightning_gans.networks.joint import JointDCGANDiscriminator, JointMLPDiscriminator


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mlp(**settings):
    with isolated("joint"):
        return JointMLPDiscriminator(
            **({"sample_shape": (1, 4, 4), "code_dim": 3, "width": 8, "depth": 2, "batch_norm": True} | settings)
        )


def dcgan(**settings):
    with isolated("joint"):
        return JointDCGANDiscriminator(
            **({"channels": 2, "image_size": 16, "code_dim": 3, "width": 4, "norm": "none"} | settings)
        )


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("size", IMAGE_SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_pairs_of_any_size_give_a_logit(size, channels):
    network = dcgan(channels=channels, image_size=size, width=2, norm="batch", dropout=0.1)
    assert network(noise(5, channels, size, size), noise(5, 3)).shape == (5, 1)


@pytest.mark.parametrize("depth", [2, 4])
def test_perceptrons_of_pairs(depth):
    x, z = noise(6, 1, 4, 4), noise(6, 3)
    assert mlp(depth=depth, dropout=0.1)(x, z).shape == (6, 1)


def test_the_code_is_added_before_the_norm():
    network, x, z = mlp(), noise(6, 1, 4, 4), noise(6, 3)
    (layer,) = network.told
    h = leaky_relu(network.first[2](x.flatten(1)), 0.2)
    inside = h @ layer.of_h.weight.T + layer.of_h.bias + z @ layer.of_z.weight.T
    expected = network.last(leaky_relu(batch_norm(inside, None, None, training=True), 0.2))
    torch.testing.assert_close(network(x, z), expected)


def test_images_may_be_seen_in_the_unit_range():
    """Dropout makes a pixel black, as most pixels are."""
    network, x, z = mlp(unit_range=True, batch_norm=False), noise(6, 1, 4, 4).tanh(), noise(6, 3)
    plain = mlp(batch_norm=False)
    torch.testing.assert_close(network(x, z), plain((x + 1) / 2, z))
    black = network.first(-torch.ones(1, 1, 4, 4))
    torch.testing.assert_close(black, leaky_relu(network.first[2].bias, 0.2)[None])


def test_the_papers_towers():
    network = dcgan(channels=3, image_size=32, code_dim=64, width=64)
    towers = [layer.out_features for layer in network.of_z if isinstance(layer, nn.Linear)]
    joint = [(layer.in_features, layer.out_features) for layer in network.of_both if isinstance(layer, nn.Linear)]
    assert towers == [512, 512]
    assert joint == [(1024, 1024), (1024, 1024)]


@pytest.mark.parametrize("network, shape", [(mlp(batch_norm=False), (1, 4, 4)), (dcgan(), (2, 16, 16))])
def test_each_half_moves_the_logit_and_each_pair_its_own(network, shape):
    x, z = noise(3, *shape).requires_grad_(), noise(3, 3).requires_grad_()
    for half in torch.autograd.grad(network(x, z)[1], (x, z)):
        moved = half.flatten(1).abs().amax(1)
        assert moved[1] > 0
        assert moved[0] == moved[2] == 0  # without batch norm the other pairs have no part in it


@pytest.mark.parametrize("network, shape", [(mlp(dropout=0.5), (1, 4, 4)), (dcgan(dropout=0.5), (2, 16, 16))])
def test_dropout_is_of_training_alone(network, shape):
    x, z = noise(4, *shape), noise(4, 3)
    assert not torch.equal(network(x, z), network(x, z))
    network.eval()
    assert torch.equal(network(x, z), network(x, z))


def test_dropout_comes_before_every_weight_but_those_of_inner_maps_norms():
    drops = [m for m in dcgan(dropout=0.2).modules() if isinstance(m, nn.Dropout)]
    weights = [m for m in dcgan(dropout=0.2).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert {drop.p for drop in drops} == {0.2}
    assert len(drops) == len(weights) - 1  # all but the last


def test_spectral_normalisation_is_of_every_weight():
    network = dcgan(norm="spectral")
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for step in range(200):
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
        torch.optim.SGD(network.parameters(), lr=0.0).step()  # each step is followed by one power iteration
        network(noise(2, 2, 16, 16, seed=step), noise(2, 3, seed=step))
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item() == pytest.approx(1, abs=0.02)


def test_one_layer_is_told_nothing_and_refused():
    with pytest.raises(ValueError, match=r"depth=1: the second layer is the first.*2 or more"):
        mlp(depth=1)
