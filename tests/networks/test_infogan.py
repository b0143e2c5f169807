import pytest
import torch

from lightning_gans.core.rng import isolated, stream
from lightning_gans.networks.infogan import InfoGANEncoder, InfoGANGenerator, InfoGANJudge


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("image_size, channels", [(8, 3), (12, 1), (28, 1), (32, 1), (64, 3)])
def test_images_there_and_codes_back(image_size, channels):
    images = {"channels": channels, "image_size": image_size, "width": 4}
    generator, encoder = InfoGANGenerator(latent_dim=7, **images), InfoGANEncoder(code_dim=5, **images)
    x = generator(torch.randn(6, 7, generator=stream("z")))
    assert x.shape == (6, channels, image_size, image_size)
    assert x.abs().max() <= 1
    features = encoder.features(x)
    assert features.shape == (6, encoder.feature_dim) == (6, 64)
    assert torch.equal(encoder.head(features), encoder(x))
    assert encoder(x).shape == (6, 5)
    assert InfoGANJudge(width=4)(features).shape == (6, 1)


def test_the_papers_networks_for_mnist():
    """74 -> 1024 -> 7 7 128 -> 64 -> 1 and 1 -> 64 -> 128 -> 1024, Q 1024 -> 128 -> 12; two numbers of each norm."""
    images = {"channels": 1, "image_size": 28, "width": 64}
    generator, encoder = InfoGANGenerator(latent_dim=74, **images), InfoGANEncoder(code_dim=12, **images)
    maps = 7 * 7 * 128
    expected = 74 * 1024 + 2 * 1024 + 1024 * maps + 2 * 128 + 128 * 64 * 16 + 2 * 64 + 64 * 16
    assert count(generator) == expected == 6_632_832
    assert count(encoder.features) == 64 * 16 + 64 * 128 * 16 + 2 * 128 + maps * 1024 + 2 * 1024
    assert count(encoder.head) == 1024 * 128 + 2 * 128 + 128 * 12 + 12
    assert count(InfoGANJudge(width=64)) == 1025
    assert {layer.negative_slope for layer in encoder.modules() if isinstance(layer, torch.nn.LeakyReLU)} == {0.01}


@pytest.mark.parametrize("width, std", [(64, 0.02), (16, 0.04)])
def test_narrow_layers_have_larger_weights(width, std):
    with isolated("width"):
        generator = InfoGANGenerator(latent_dim=74, channels=1, image_size=8, width=width)
        encoder = InfoGANEncoder(channels=1, image_size=8, width=width, code_dim=12)
    for layer in (generator.layers[0], generator.layers[3], generator.layers[7], encoder.features[2], encoder.head[0]):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.03)
    gains = torch.cat([generator.layers[1].weight, encoder.features[7].weight])
    assert gains.mean().item() == pytest.approx(1.0, abs=0.003)
    assert gains.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("image_size", [4, 30, 68])
def test_sizes_that_do_not_fit(image_size):
    with pytest.raises(ValueError, match=f"image_size={image_size}: .* multiples of 4 from 8 to 64"):
        InfoGANEncoder(channels=1, image_size=image_size, width=4, code_dim=2)
    with pytest.raises(ValueError, match=f"image_size={image_size}"):
        InfoGANGenerator(channels=1, image_size=image_size, width=4, latent_dim=2)
