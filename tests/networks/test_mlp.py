import pytest
import torch
from torch import nn

from lightning_gans.networks.mlp import AffineGenerator, Maxout, MaxoutDiscriminator, MLPDiscriminator, MLPGenerator


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def mlp_generator(*, sample_shape=(2,), width=8, depth=2, batch_norm=False, output="linear"):
    return MLPGenerator(
        latent_dim=3, sample_shape=sample_shape, width=width, depth=depth, batch_norm=batch_norm, output=output
    )


def kinds(network):
    return [type(module) for module in network.layers]


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 4, 4)])
@pytest.mark.parametrize("depth", [0, 1, 3])
def test_shapes(shape, depth):
    x = mlp_generator(sample_shape=shape, depth=depth)(noise(5, 3))
    assert x.shape == (5, *shape)
    assert MLPDiscriminator(sample_shape=shape, width=8, depth=depth, dropout=0.1)(x).shape == (5, 1)
    maxout = MaxoutDiscriminator(
        sample_shape=shape, units=6, pieces=5, depth=depth, input_dropout=0.2, hidden_dropout=0.5
    )
    assert maxout(x).shape == (5, 1)


def test_images_are_squashed_and_points_are_not():
    with torch.no_grad():
        image, point = mlp_generator(output="tanh"), mlp_generator(output="linear")
        for network in (image, point):
            for parameter in network.parameters():
                parameter.fill_(5.0)
    z = noise(4, 3).abs()
    assert image(z).abs().max() == 1
    assert point(z).abs().max() > 100
    assert kinds(mlp_generator(output="tanh"))[-2:] == [nn.Linear, nn.Tanh]


def test_batch_norm_sits_between_the_layers_only():
    assert kinds(mlp_generator(batch_norm=True)) == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 2 + [nn.Linear]
    assert kinds(mlp_generator(batch_norm=False)) == [nn.Linear, nn.ReLU] * 2 + [nn.Linear]


def test_an_output_that_is_neither_is_refused():
    with pytest.raises(ValueError, match=r"output='sigmoid'.*tanh or linear"):
        mlp_generator(output="sigmoid")


def test_dropout_is_there_when_asked_for():
    def drops(dropout):
        network = MLPDiscriminator(sample_shape=(2,), width=8, depth=2, dropout=dropout)
        return [module.p for module in network.modules() if isinstance(module, nn.Dropout)]

    assert drops(0.3) == [0.3, 0.3]
    assert drops(0.0) == []


def test_maxout_takes_the_largest_piece_unit_by_unit():
    layer = Maxout(inputs=3, units=2, pieces=4)
    x = noise(5, 3)
    pieces = x @ layer.linear.weight.T + layer.linear.bias
    by_hand = torch.stack([pieces[:, :4].max(1).values, pieces[:, 4:].max(1).values], dim=1)
    torch.testing.assert_close(layer(x), by_hand)


def test_the_papers_discriminator():
    network = MaxoutDiscriminator(
        sample_shape=(1, 28, 28), units=240, pieces=5, depth=2, input_dropout=0.2, hidden_dropout=0.5
    )
    expected = (784 + 1) * 1200 + (240 + 1) * 1200 + 241
    assert sum(parameter.numel() for parameter in network.parameters()) == expected
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == [0.2, 0.5, 0.5]


def test_an_affine_generator_is_constant_and_exact():
    network = AffineGenerator(scale=[1.2, 0.5], shift=[0.5, -1.0])
    assert list(network.parameters()) == []
    z = noise(6, 2)
    torch.testing.assert_close(network(z), torch.stack([0.5 + 1.2 * z[:, 0], -1 + 0.5 * z[:, 1]], dim=1))
    assert set(network.state_dict()) == {"scale", "shift"}
