"""Discriminators that give a hidden layer: shapes, levels, and that the logits are theirs."""

import pytest
import torch

from lightning_gans.core.rng import isolated, stream
from lightning_gans.networks.dcgan import IMAGE_SIZES, DCGANDiscriminator
from lightning_gans.networks.similarity import SimilarityDCGANDiscriminator, SimilarityMLPDiscriminator


def dcgan(image_size, *, outputs=1, level=1, channels=1, **settings):
    with isolated("similarity"):
        return SimilarityDCGANDiscriminator(
            channels=channels, image_size=image_size, width=4, outputs=outputs, feature_level=level, **settings
        )


def images(size, channels=1, n=3):
    return torch.rand(n, channels, size, size, generator=stream("images")) * 2 - 1


@pytest.mark.parametrize("size", IMAGE_SIZES)
def test_every_level_of_every_size(size):
    levels = (size // 8).bit_length()
    for level in range(1, levels + 1):
        logits, maps = dcgan(size, outputs=3, level=level, channels=2)(images(size, 2))
        assert logits.shape == (3, 3)
        assert maps.shape == (3, 4 << (levels - level), 4 << (level - 1), 4 << (level - 1))
    with pytest.raises(ValueError, match=rf"feature_level={levels + 1}: this discriminator has {levels} hidden layers"):
        dcgan(size, level=levels + 1)


def test_logits_are_dcgans_whatever_the_level():
    x, plain = images(32), DCGANDiscriminator(channels=1, image_size=32, width=4)
    expected = None
    for level in (1, 2, 3):
        network = dcgan(32, level=level)
        assert network.state_dict().keys() == plain.state_dict().keys()
        plain.load_state_dict(network.state_dict())
        expected = plain(x)
        torch.testing.assert_close(network(x)[0], expected)
    assert expected.abs().max() > 0


def test_logits_are_linear_in_the_first_level():
    network = dcgan(16).eval()
    logits, maps = network(images(16))
    head = network.layers[-2].weight
    torch.testing.assert_close(logits, torch.einsum("nchw,ochw->no", maps, head))


def test_spectral_normalisation_of_the_head():
    network = dcgan(16, outputs=3, norm="spectral")
    assert all(hasattr(layer, "parametrizations") for layer in network.layers if isinstance(layer, torch.nn.Conv2d))


@pytest.mark.parametrize("level, expected", [(1, 2), (2, 1)])
def test_perceptrons(level, expected):
    network = SimilarityMLPDiscriminator(
        sample_shape=(1, 8, 8), width=5, depth=2, dropout=0.0, outputs=3, feature_level=level
    )
    logits, hidden = network(images(8))
    assert logits.shape == (3, 3)
    assert hidden.shape == (3, 5)
    torch.testing.assert_close(hidden, network.layers[: 1 + 2 * expected](images(8)))
    with pytest.raises(ValueError, match="has 2 hidden layers"):
        SimilarityMLPDiscriminator(
            sample_shape=(1, 8, 8), width=5, depth=2, dropout=0.0, outputs=1, feature_level=level + 2
        )
