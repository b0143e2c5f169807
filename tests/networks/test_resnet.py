from math import sqrt

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, interpolate

from lightning_gans.networks.resnet import IMAGE_SIZES, BatchNorm, ResNetDiscriminator, ResNetGenerator


def seeded(network, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network(**settings)


def generator(*, latent_dim=6, channels=3, image_size=16, width=8, classes=None):
    settings = {"latent_dim": latent_dim, "channels": channels, "image_size": image_size, "width": width}
    return seeded(ResNetGenerator, **settings, classes=classes)


def discriminator(*, channels=3, image_size=16, width=8, pool="sum", spectral_norm=False, bias=True, classes=None):
    settings = {"channels": channels, "image_size": image_size, "width": width, "pool": pool, "bias": bias}
    return seeded(ResNetDiscriminator, **settings, spectral_norm=spectral_norm, classes=classes)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def test_parameter_counts_at_32_pixels():
    with torch.device("meta"):
        images = {"channels": 3, "image_size": 32}
        assert count(ResNetGenerator(latent_dim=128, width=128, **images)) == 1_204_483
        assert count(ResNetGenerator(latent_dim=128, width=256, **images)) == 4_276_739
        critic = ResNetDiscriminator(width=128, pool="mean", spectral_norm=False, bias=True, **images)
        assert count(critic) == 1_053_825
    d = discriminator(image_size=32, width=128, spectral_norm=True, bias=False)
    assert count(d) == 1_053_824
    told = discriminator(image_size=32, width=128, spectral_norm=True, bias=False, classes=10)
    assert count(told) == 1_053_824 + 10 * 128


@pytest.mark.parametrize("classes", [None, 5])
@pytest.mark.parametrize("size", IMAGE_SIZES)
def test_shapes_and_range(size, classes):
    label = None if classes is None else torch.tensor([0, 4])
    images = generator(image_size=size, width=4, classes=classes)(9 * noise(2, 6), label)
    assert images.shape == (2, 3, size, size)
    assert -1 <= images.min() < images.max() <= 1
    for spectral_norm in (False, True):
        network = discriminator(image_size=size, width=4, classes=classes, spectral_norm=spectral_norm)
        assert network(images, label).shape == (2, 1)
        assert network.features(images).shape == (2, 4)


@pytest.mark.parametrize("size, halvings, last", [(8, 1, 4), (16, 1, 8), (32, 2, 8), (64, 3, 8), (128, 4, 8)])
def test_d_halves_to_eight_pixels_and_stays_there_for_two_blocks(size, halvings, last):
    network, sizes = discriminator(image_size=size, width=2), []
    for block in network.blocks:
        block.register_forward_hook(lambda module, inputs, output: sizes.append(output.shape[-1]))
    network(noise(1, 3, size, size))
    assert sizes == [size >> n for n in range(1, halvings + 1)] + [last] * 2


def test_blocks_are_the_papers():
    """Written out as in the authors' code: shortcuts after doubling, and means after convolutions."""
    x = noise(2, 8, 4, 4)
    block = generator().blocks[0].eval()
    norms, convolutions = block.norms, block.convolutions
    doubled = convolutions[0](interpolate(norms[0](x).relu(), scale_factor=2, mode="nearest"))
    expected = convolutions[1](norms[1](doubled).relu()) + block.shortcut(interpolate(x, scale_factor=2))
    assert torch.allclose(block(x, None), expected, atol=1e-6)
    first, keeps, _ = discriminator().blocks
    image = noise(2, 3, 16, 16)
    h = avg_pool2d(first.convolutions[1](first.convolutions[0](image).relu()), 2)
    assert torch.allclose(first(image), h + first.shortcut(avg_pool2d(image, 2)), atol=1e-6)
    halves = discriminator(image_size=32).blocks[1]
    h = avg_pool2d(halves.convolutions[1](halves.convolutions[0](x.relu()).relu()), 2)
    assert torch.allclose(halves(x), h + avg_pool2d(halves.shortcut(x), 2), atol=1e-6)
    assert torch.allclose(keeps(x), x + keeps.convolutions[1](keeps.convolutions[0](x.relu()).relu()), atol=1e-6)


def test_initial_weights_are_glorots_with_a_gain_of_sqrt_2_in_the_residual_branches():
    seen = 0
    for network in (generator(width=64), discriminator(width=64), discriminator(width=64, classes=40)):
        for name, module in network.named_modules():
            if not isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding) or "norm" in name:
                continue
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(module.weight)
            std = sqrt(2 / (fan_in + fan_out)) * (sqrt(2) if ".convolutions." in name else 1)
            assert module.weight.abs().max() <= sqrt(3) * std + 1e-6  # uniform
            if module.weight.numel() > 1000:
                seen += 1
                assert module.weight.std().item() == pytest.approx(std, rel=0.05)
            if not isinstance(module, nn.Embedding):
                assert module.bias.abs().max() == 0
    assert seen >= 20


def test_mean_and_sum_pooling_differ_by_the_number_of_places():
    x = noise(2, 3, 16, 16)
    assert torch.allclose(64 * discriminator(pool="mean").features(x), discriminator(pool="sum").features(x), rtol=1e-4)


def test_projection_differs_between_labels_by_the_inner_product_alone():
    network = discriminator(classes=5, spectral_norm=True).double().eval()
    x, y, other = noise(6, 3, 16, 16).double(), torch.arange(6) % 5, torch.arange(1, 7) % 5
    e, phi = network.embedding.weight, network.features(x)
    expected = ((e[y] - e[other]) * phi).sum(1, keepdim=True)
    assert expected.abs().min() > 1e-4
    assert torch.allclose(network(x, y) - network(x, other), expected, atol=1e-12)
    assert torch.allclose(network(x, y), network.psi(phi) + (e[y] * phi).sum(1, keepdim=True), atol=1e-12)


def test_every_weight_of_d_is_normalised_where_asked_and_none_of_g():
    def bare(network):
        return [
            n
            for n, m in network.named_modules()
            if isinstance(m, nn.Conv2d | nn.Linear | nn.Embedding) and not hasattr(m, "parametrizations")
        ]

    assert bare(discriminator(classes=5, spectral_norm=True)) == []
    assert len(bare(discriminator(classes=5))) == 9
    assert all("parametrizations" not in name for name in generator(classes=5).state_dict())


def test_gains_and_shifts_are_one_and_zero_and_the_classes_own():
    norm = BatchNorm(3, classes=4)
    x, label = noise(8, 3, 5, 5), torch.arange(8) % 4
    plain = nn.BatchNorm2d(3, affine=False)
    assert torch.equal(norm(x, label), plain(x))
    with torch.no_grad():
        norm.gain.weight[1, 2], norm.shift.weight[3, 0] = 5.0, 7.0
    expected = plain(x)
    expected[label == 1, 2] *= 5
    expected[label == 3, 0] += 7
    assert torch.allclose(norm(x, label), expected)


def test_every_class_learns_its_own_rows():
    network, label = generator(classes=4), torch.tensor([1, 1, 2])
    network(noise(3, 6), label).square().sum().backward()
    gains = [m.gain.weight.grad for m in network.modules() if isinstance(m, BatchNorm) and not m.affine]
    assert len(gains) == 4
    for gradient in gains:
        assert gradient[[0, 3]].abs().max() == 0
        assert all(gradient[row].abs().max() > 0 for row in (1, 2))
        assert not torch.allclose(gradient[1], gradient[2])


def test_labels_are_asked_for_where_there_are_classes_and_refused_elsewhere():
    for network, x in ((generator, noise(2, 6)), (discriminator, noise(2, 3, 16, 16))):
        with pytest.raises(ValueError, match="one of 4"):
            network(classes=4)(x)
        with pytest.raises(ValueError, match="classes=null"):
            network()(x, torch.tensor([0, 1]))


@pytest.mark.parametrize("size", [0, 4, 12, 28, 48, 256])
def test_other_sizes_are_refused(size):
    for build in (generator, discriminator):
        with pytest.raises(ValueError, match=rf"image_size={size}.*8, 16, 32, 64, 128"):
            build(image_size=size)
    with pytest.raises(ValueError, match="pool='max'"):
        discriminator(pool="max")
