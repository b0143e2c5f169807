"""BiGAN's perceptrons are those of the authors' code."""

import pytest
import torch
from torch import nn

from lightning_gans.core.rng import isolated, stream
from lightning_gans.networks.bigan import BiGANDiscriminator, BiGANEncoder, BiGANGenerator

SHAPE, CODE, WIDTH = (1, 4, 4), 3, 64


def networks():
    with isolated("networks"):
        return (
            BiGANEncoder(sample_shape=SHAPE, code_dim=CODE, width=WIDTH),
            BiGANGenerator(latent_dim=CODE, sample_shape=SHAPE, width=WIDTH),
            BiGANDiscriminator(sample_shape=SHAPE, code_dim=CODE, width=WIDTH),
        )


def images(n=8):
    return torch.rand(n, *SHAPE, generator=stream("x")).mul(2).sub(1)


def codes(n=8):
    return torch.rand(n, CODE, generator=stream("z")).mul(2).sub(1)


def test_the_papers_sizes():
    """784 and 50 numbers, two layers of 1024, told the code once more in G and D; no biases, no gains."""
    sizes = {"sample_shape": (1, 28, 28), "width": 1024}
    encoder, generator = BiGANEncoder(code_dim=50, **sizes), BiGANGenerator(latent_dim=50, **sizes)
    discriminator = BiGANDiscriminator(code_dim=50, **sizes)
    count = [sum(p.numel() for p in network.parameters()) for network in (encoder, generator, discriminator)]
    shared = 784 * 1024 + 1024 * 1024
    assert count == [shared + 1024 * 50, shared + 2 * 50 * 1024, shared + 50 * 1024 + 1024]


@pytest.mark.parametrize("network", networks())
def test_weights_alone_and_small(network):
    assert all(parameter.dim() == 2 for parameter in network.parameters())
    for name, weight in network.named_parameters():
        expected = 0.0 if isinstance(network, BiGANDiscriminator) and name == "last.weight" else 0.02
        assert weight.std().item() == pytest.approx(expected, rel=0.25)


@pytest.mark.parametrize("place", [0, 2])
def test_images_are_in_the_unit_range_inside(place):
    """A black image is 0 there: without biases it gives the first layer nothing."""
    network = networks()[place]
    first = network.features if place == 0 else network.first
    seen = []
    next(m for m in first.modules() if isinstance(m, nn.Linear)).register_forward_hook(
        lambda _, i, __: seen.append(i[0])
    )
    x = images()
    network(x) if place == 0 else network(x, codes())
    torch.testing.assert_close(seen[0], (x.flatten(1) + 1) / 2)
    assert first[:2](-torch.ones(1, *SHAPE)).abs().max() == 0


def test_pictures_are_twice_a_sigmoid_less_one():
    generator = networks()[1]
    z = codes()
    logits = []
    generator.last.register_forward_hook(lambda _, __, out: logits.append(out))
    shown = generator(z)
    torch.testing.assert_close(shown, (2 * logits[0].sigmoid() - 1).unflatten(1, SHAPE))


def test_a_new_discriminator_knows_nothing_and_learns_of_both():
    discriminator = networks()[2]
    x, z = images().requires_grad_(), codes().requires_grad_()
    assert discriminator(x, z).abs().max() == 0
    nn.init.normal_(discriminator.last.weight)
    discriminator(x, z)[0].sum().backward()
    assert x.grad.abs().max() > 0
    assert z.grad.abs().max() > 0


def test_the_generators_second_layer_is_told_the_code_again():
    generator, z = networks()[1], codes()
    whole = generator(z)
    nn.init.zeros_(generator.of_h.weight)
    assert not torch.equal(generator(z), whole)
    assert generator(z).std(0).max() > 0
    nn.init.zeros_(generator.of_z.weight)
    assert generator(z).std(0).max() == 0


def test_an_encoder_of_two_moments_has_another_output_and_nothing_else():
    with isolated("networks"):
        encoder = BiGANEncoder(sample_shape=SHAPE, code_dim=CODE, width=WIDTH, moments=2)
    assert encoder(images()).shape == (8, 2 * CODE)
    for mine, code in zip(list(encoder.parameters())[:-1], networks()[0].parameters(), strict=False):
        assert torch.equal(mine, code)
