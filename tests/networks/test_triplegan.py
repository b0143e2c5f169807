import pytest
import torch
from torch import nn

from lightning_gans.core.rng import isolated
from lightning_gans.networks.triplegan import Noise, TripleClassifier, TripleDiscriminator, TripleGenerator


def weights(network):
    return sum(p.numel() for p in network.parameters())


def test_the_papers_layers_for_mnist():
    g = TripleGenerator(latent_dim=100, sample_shape=(1, 28, 28), width=500, classes=10)
    # three layers told y; two biases of the norms; the last one's weight, its gains and its bias
    assert weights(g) == 110 * 500 + 510 * 500 + 2 * 500 + 510 * 784 + 784 + 784
    d = TripleDiscriminator(sample_shape=(1, 28, 28), width=1000, classes=10)
    assert [layer.out_features for layer in d.layers] == [1000, 500, 250, 250, 250, 1]
    assert [layer.in_features - 10 for layer in d.layers] == [784, 1000, 500, 250, 250, 250]
    assert [noise.std for noise in d.noise] == [0.3, 0.5, 0.5, 0.5, 0.5, 0.5]
    c = TripleClassifier(channels=1, image_size=28, classes=10, width=32)
    convolutions = [m for m in c.modules() if isinstance(m, nn.Conv2d)]
    assert [m.out_channels for m in convolutions] == [32, 64, 64, 128, 128]
    assert [m.kernel_size[0] for m in convolutions] == [5, 3, 3, 3, 3]


@pytest.mark.parametrize("size", [8, 16, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_and_channels(size, channels):
    shape = (channels, size, size)
    label = torch.tensor([0, 1, 2, 1])
    x = TripleGenerator(latent_dim=5, sample_shape=shape, width=6, classes=3)(torch.randn(4, 5), label)
    assert x.shape == (4, *shape)
    assert x.abs().max() <= 1
    assert TripleDiscriminator(sample_shape=shape, width=8, classes=3)(x, label).shape == (4, 1)
    c = TripleClassifier(channels=channels, image_size=size, classes=3, width=4)
    assert c(x).shape == (4, 3)


def test_every_layer_of_g_and_d_is_told_the_class():
    with isolated("told"):
        g = TripleGenerator(latent_dim=5, sample_shape=(1, 8, 8), width=6, classes=3).eval()
        d = TripleDiscriminator(sample_shape=(1, 8, 8), width=8, classes=3).eval()
        z, x = torch.randn(4, 5), torch.randn(4, 1, 8, 8)
    a, b = torch.zeros(4, dtype=torch.int64), torch.ones(4, dtype=torch.int64)
    for network, given, layers in ((g, z, [*g.hidden, g.last]), (d, x, d.layers)):
        for layer in layers:
            assert (network(given, a) - network(given, b)).abs().min() > 1e-6
            with torch.no_grad():
                weights = layer.parametrizations.weight if hasattr(layer, "parametrizations") else layer
                *_, weight = (p for p in weights.parameters() if p.ndim == 2 and p.shape[1] > 1)
                weight[:, -3:] = 0
        assert torch.equal(network(given, a), network(given, b))


def test_rows_of_d_are_of_unit_length_whatever_its_weights():
    with isolated("rows"):
        d = TripleDiscriminator(sample_shape=(1, 8, 8), width=8, classes=3).eval()
        x, y = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])
    before = d(x, y)
    for layer in d.layers:
        torch.testing.assert_close(layer.weight.norm(dim=1), torch.ones(layer.out_features))
        with torch.no_grad():
            layer.parametrizations.weight.original.mul_(3)
    torch.testing.assert_close(d(x, y), before)


def test_noise_is_of_training_alone():
    noise, x = Noise(0.5), torch.zeros(20_000)
    with isolated("noise"):
        assert noise(x).std().item() == pytest.approx(0.5, rel=0.03)
    assert torch.equal(noise.eval()(x), x)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="8 pixels or more"):
        TripleClassifier(channels=1, image_size=4, classes=10, width=4)
