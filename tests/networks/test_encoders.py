"""Encoders: shapes at every size, linear in their features, codes normalised where that is asked for."""

import pytest
import torch

from lightning_gans.networks.dcgan import DCGANDiscriminator
from lightning_gans.networks.encoders import DCGANEncoder, MLPEncoder


def perceptron(**settings):
    return MLPEncoder(
        **{"sample_shape": (1, 8, 8), "code_dim": 5, "width": 7, "depth": 2, "batch_norm": True} | settings
    )


def convolutional(**settings):
    return DCGANEncoder(**{"channels": 1, "image_size": 8, "width": 4, "code_dim": 5} | settings)


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("channels, moments", [(1, 1), (3, 2)])
def test_any_size_and_channels(size, channels, moments):
    encoder = convolutional(channels=channels, image_size=size, width=2, moments=moments)
    x = torch.randn(3, channels, size, size)
    assert encoder(x).shape == (3, 5 * moments)
    assert encoder.features(x).shape == (3, encoder.feature_dim)


@pytest.mark.parametrize("make", [perceptron, convolutional])
def test_the_code_is_linear_in_the_features(make):
    encoder = make().eval()
    x = torch.randn(6, 1, 8, 8)
    features = encoder.features(x)
    assert features.shape == (6, encoder.feature_dim)
    a, b = encoder.head(features[:3]), encoder.head(features[3:])
    zero = encoder.head(torch.zeros_like(features[:3]))
    torch.testing.assert_close(encoder.head(features[:3] + features[3:]), a + b - zero, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder(x), torch.cat([a, b]))


@pytest.mark.parametrize("make", [perceptron, convolutional])
def test_a_normalised_code_has_mean_0_and_variance_1(make):
    code = make(normalize=True, width=32)(torch.randn(64, 1, 8, 8))
    torch.testing.assert_close(code.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(code.var(0, unbiased=False), torch.ones(5), atol=0.05, rtol=0)
    assert len(list(make(normalize=True).parameters())) == len(list(make().parameters()))  # no gain, no bias


@pytest.mark.parametrize("make", [perceptron, convolutional])
def test_what_makes_no_encoder_is_refused(make):
    with pytest.raises(ValueError, match="moments=3"):
        make(moments=3)
    with pytest.raises(ValueError, match="normalize=true"):
        make(moments=2, normalize=True)


def test_its_trunk_is_the_discriminators():
    encoder, discriminator = convolutional(), DCGANDiscriminator(channels=1, image_size=8, width=4)
    ours = [tuple(parameter.shape) for parameter in encoder.features.parameters()]
    assert ours == [tuple(parameter.shape) for parameter in discriminator.features.parameters()]


def test_batch_norm_is_of_all_hidden_layers_but_the_first():
    names = [type(layer).__name__ for layer in perceptron(depth=3).features]
    assert names == "Flatten Linear LeakyReLU Linear BatchNorm1d LeakyReLU Linear BatchNorm1d LeakyReLU".split()
