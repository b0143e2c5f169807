from math import sqrt

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from lightning_gans.networks.r3gan import (
    GAIN,
    IMAGE_SIZES,
    FixUpBlock,
    R3GANDiscriminator,
    R3GANGenerator,
    Resample,
)

SHAPE = {"channels": 3, "image_size": 16, "width": 8, "blocks": 2, "cardinality": 4, "expansion": 2, "classes": None}


def seeded(network, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network(**settings)


def generator(**settings):
    return seeded(R3GANGenerator, latent_dim=6, **SHAPE | settings)


def discriminator(**settings):
    return seeded(R3GANDiscriminator, **SHAPE | settings)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def block(width, groups, expansion=2):
    inner = width * expansion
    return (width * inner + inner) + (9 * inner * inner // groups + inner) + inner * width


def test_parameter_counts_at_the_papers_sizes():
    with torch.device("meta"):
        paper = {"channels": 3, "image_size": 32, "width": 768, "blocks": 2, "cardinality": 96, "expansion": 2}
        blocks = 8 * block(768, 96)
        ends = 3 * 768 + 16 * 768
        assert count(R3GANGenerator(latent_dim=64, **paper)) == blocks + ends + 64 * 768 == 20_732_160
        assert count(R3GANDiscriminator(**paper)) == blocks + ends + 768 == 20_683_776
        larger = count(R3GANDiscriminator(**paper | {"image_size": 64}))
        assert larger == blocks + 2 * block(384, 48) + 384 * 768 + 3 * 384 + 16 * 768 + 768


@pytest.mark.parametrize("classes", [None, 5])
@pytest.mark.parametrize("size", IMAGE_SIZES)
def test_shapes(size, classes):
    label = None if classes is None else torch.tensor([0, 4])
    images = generator(image_size=size, classes=classes)(noise(2, 6), label)
    assert images.shape == (2, 3, size, size)
    assert discriminator(image_size=size, classes=classes)(images, label).shape == (2, 1)


def test_images_are_cut_only_where_they_are_sampled():
    network, z = generator(), 9 * noise(4, 6)
    raw = network(z)
    assert raw.abs().max() > 1
    assert torch.equal(network.eval()(z), raw.clamp(-1, 1))


def test_there_are_no_norms_and_blocks_start_as_the_identity():
    x = noise(2, 8, 4, 4)
    for network in (generator(), discriminator()):
        assert not any("Norm" in type(m).__name__ for m in network.modules())
        blocks = [m for m in network.modules() if isinstance(m, FixUpBlock)]
        assert len(blocks) == 6
        assert all(torch.equal(b(x), x) for b in blocks)


def test_initial_weights():
    network = discriminator(width=64, cardinality=8)
    for b in (m for m in network.modules() if isinstance(m, FixUpBlock)):
        for layer, fan_in in ((b.expand, 64), (b.mix, 9 * 16)):
            expected = GAIN * 6**-0.25 / sqrt(fan_in)
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.05)
            assert layer.bias.abs().max() == 0
    assert generator(width=64).basis.std().item() == pytest.approx(1, rel=0.1)
    told = generator(classes=100).embedding.weight
    assert told.std().item() == pytest.approx(0.1, rel=0.1)
    told = discriminator(classes=100, width=64).embedding.weight
    assert told.std().item() == pytest.approx(1 / 80, rel=0.1)


def test_resampling_is_bilinear():
    x = noise(2, 8, 6, 6)
    up, down = Resample(8, 8, up=True)(x), Resample(8, 8, up=False)(x)
    expected = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.allclose(up[:, :, 1:-1, 1:-1], expected[:, :, 1:-1, 1:-1], atol=1e-6)
    # D's is G's transposed: <up x, y> = 4 <x, down y>
    y = noise(2, 8, 12, 12)
    assert (up * y).sum().item() == pytest.approx(4 * (x * Resample(8, 8, up=False)(y)).sum().item(), rel=1e-4)
    assert torch.allclose(Resample(8, 8, up=False)(torch.ones(1, 8, 6, 6))[:, :, 1:-1, 1:-1], torch.ones(1))
    assert down.shape == (2, 8, 3, 3)


def test_g_starts_from_a_learned_basis():
    network, z = generator(image_size=8, blocks=1), noise(3, 6)
    maps = []
    network.layers.register_forward_pre_hook(lambda module, inputs: maps.append(inputs[0]))
    network(z)
    expected = torch.einsum("chw,cd,nd->nchw", network.basis, network.coefficients.weight, z)
    assert torch.allclose(maps[0], expected, atol=1e-6)


def test_d_judges_by_the_inner_product_with_the_class():
    network, x, label = discriminator(classes=5), noise(4, 3, 16, 16), torch.tensor([0, 1, 2, 3])
    phi = network.head(network.layers(x))
    e = network.embedding.weight
    assert torch.allclose(network(x, label), (e[label] * phi).sum(1, keepdim=True))
    assert (network(x, label) - network(x, label + 1)).abs().min() > 0


def test_every_parameter_learns_through_penalties_once_blocks_have_left_the_identity():
    network, x = discriminator(), noise(2, 3, 16, 16).requires_grad_()
    for b in (m for m in network.modules() if isinstance(m, FixUpBlock)):
        nn.init.normal_(b.reduce.weight, 0.0, 0.1)
    (gradient,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert all(
        p.grad is not None and p.grad.abs().max() > 0 for name, p in network.named_parameters() if "bias" not in name
    )


def test_what_does_not_fit_is_refused():
    for build in (generator, discriminator):
        with pytest.raises(ValueError, match=r"image_size=28.*8, 16, 32, 64, 128"):
            build(image_size=28)
        with pytest.raises(ValueError, match=r"cardinality=3.*3 groups of 16"):
            build(cardinality=3)
        with pytest.raises(ValueError, match=r"width=6.*from 32 to 128"):
            build(image_size=128, width=6, cardinality=1)
        with pytest.raises(ValueError, match="one of 5"):
            build(classes=5)(noise(2, 6) if build is generator else noise(2, 3, 16, 16))
