import pytest
import torch

from lightning_gans.core.rng import isolated
from lightning_gans.networks.concatenation import (
    ConditionalDCGANDiscriminator,
    ConditionalDCGANGenerator,
    ConditionalMLPDiscriminator,
    ConditionalMLPGenerator,
    joined,
)
from lightning_gans.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from lightning_gans.networks.mlp import MLPDiscriminator, MLPGenerator

LABEL = torch.tensor([2, 0, 1])


def test_a_label_beside_numbers_is_one_hot():
    x = torch.randn(3, 2, dtype=torch.float64)
    both = joined(x, LABEL, 4)
    assert both.dtype == torch.float64
    assert torch.equal(both[:, :2], x)
    assert both[:, 2:].tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


def test_a_label_beside_an_image_is_a_plane():
    x = torch.randn(3, 2, 5, 6)
    both = joined(x, LABEL, 3)
    assert both.shape == (3, 5, 5, 6)
    assert torch.equal(both[:, :2], x)
    assert both[:, 2:].amin((2, 3)).tolist() == both[:, 2:].amax((2, 3)).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


GENERATORS = [
    (
        ConditionalMLPGenerator,
        MLPGenerator,
        {"latent_dim": 5, "sample_shape": (1, 8, 8), "width": 8, "depth": 1, "batch_norm": True, "output": "tanh"},
    ),
    (ConditionalDCGANGenerator, DCGANGenerator, {"latent_dim": 5, "channels": 1, "image_size": 8, "width": 4}),
]
DISCRIMINATORS = [
    (
        ConditionalMLPDiscriminator,
        MLPDiscriminator,
        {"sample_shape": (1, 8, 8), "width": 8, "depth": 1, "dropout": 0.0},
    ),
    (ConditionalDCGANDiscriminator, DCGANDiscriminator, {"channels": 1, "image_size": 8, "width": 4}),
]


@pytest.mark.parametrize("conditional, plain, settings", GENERATORS)
def test_a_generator_of_code_and_label(conditional, plain, settings):
    with isolated("told"):
        told = conditional(classes=3, **settings).eval()
    with isolated("told"):
        same = plain(**{**settings, "latent_dim": 8}).eval()
    z = torch.randn(3, 5)
    images = told(z, LABEL)
    assert images.shape == (3, 1, 8, 8)
    assert torch.equal(images, same(torch.cat([z, torch.eye(3)[LABEL]], 1)))
    assert (images - told(z, LABEL.roll(1))).abs().flatten(1).amax(1).min() > 0


@pytest.mark.parametrize("conditional, plain, settings", DISCRIMINATORS)
def test_permuting_labels_changes_the_logits(conditional, plain, settings):
    with isolated("told"):
        told = conditional(classes=3, **settings)
    x = torch.randn(3, 1, 8, 8)
    logits = told.eval()(x, LABEL)
    assert logits.shape == (3, 1)
    assert (logits - told(x, LABEL.roll(1))).abs().min() > 0
    torch.testing.assert_close(told(x[:1], LABEL[:1]), logits[:1], rtol=1e-4, atol=1e-5)


def test_sizes():
    """Only the layer that sees the label is larger: by `classes` columns of its weight."""
    for conditional, plain, settings in GENERATORS + DISCRIMINATORS:
        told, untold = conditional(classes=3, **settings), plain(**settings)
        (first, *rest), (first_untold, *rest_untold) = told.parameters(), untold.parameters()
        assert [p.shape for p in rest] == [p.shape for p in rest_untold]
        assert (
            first.numel() - first_untold.numel()
            == 3
            * first_untold.numel()
            // {
                ConditionalMLPGenerator: 5,
                ConditionalDCGANGenerator: 5,
                ConditionalMLPDiscriminator: 64,
                ConditionalDCGANDiscriminator: 1,
            }[conditional]
        )
