import pytest
import torch
from torch import nn

from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.networks.dcgan import IMAGE_SIZES, DCGANDiscriminator, DCGANGenerator


def generator(*, latent_dim=10, channels=3, image_size=64, width=4):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DCGANGenerator(latent_dim=latent_dim, channels=channels, image_size=image_size, width=width)


def discriminator(*, channels=3, image_size=64, width=4):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return DCGANDiscriminator(channels=channels, image_size=image_size, width=width)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def kind(module):
    """The class of torch.nn that it is or derives from."""
    return next(base for base in type(module).__mro__ if base.__module__.startswith("torch.nn"))


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(2))


def test_parameter_counts_at_64_pixels():
    with torch.device("meta"):
        assert count(DCGANGenerator(latent_dim=100, channels=3, image_size=64, width=64)) == 3_576_704
        assert count(DCGANDiscriminator(channels=3, image_size=64, width=64)) == 2_765_568


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
def test_shapes_and_range(size, channels):
    images = generator(image_size=size, channels=channels)(5 * noise(2, 10))
    assert images.shape == (2, channels, size, size)
    assert -1 <= images.min() < images.max() <= 1
    assert discriminator(image_size=size, channels=channels)(images).shape == (2, 1)


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
def test_maps_halve_and_widths_double_from_the_image_to_four_pixels(size):
    sizes, widths = [], []
    network = discriminator(image_size=size, width=4)

    def look(module, inputs, output):
        sizes.append(output.shape[-1])
        widths.append(output.shape[1])

    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(look)
    network(noise(2, 3, size, size))
    levels = len(sizes) - 1
    assert sizes == [size >> level for level in range(1, levels + 1)] + [1]
    assert sizes[-2] == 4
    assert widths == [4 << level for level in range(levels)] + [1]
    mirrored = [m.in_channels for m in generator(image_size=size, width=4).modules() if kind(m) is nn.ConvTranspose2d]
    assert mirrored == [10, *reversed(widths[:-1])]


@pytest.mark.parametrize("size", [8, 64])
def test_no_batch_norm_beside_the_image_and_one_everywhere_else(size):
    *hidden, last, squash = generator(image_size=size).layers
    assert (kind(last), kind(squash)) == (nn.ConvTranspose2d, nn.Tanh)
    assert [kind(m) for m in hidden] == [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU] * (len(hidden) // 3)
    first, leak, *inner, score, _ = discriminator(image_size=size).layers
    assert (kind(first), kind(leak), kind(score)) == (nn.Conv2d, nn.LeakyReLU, nn.Conv2d)
    assert [kind(m) for m in inner] == [nn.Conv2d, nn.BatchNorm2d, nn.LeakyReLU] * (len(inner) // 3)
    assert len(hidden) // 3 == len(inner) // 3 + 1 == {8: 1, 64: 4}[size]
    slopes = {m.negative_slope for m in discriminator().modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.2}


@pytest.mark.parametrize("network", [generator(image_size=32, width=32), discriminator(image_size=32, width=32)])
def test_initial_weights(network):
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert module.bias is None
            if module.weight.numel() >= 2000:
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
                assert module.weight.mean().abs() < 0.02 * 4 / module.weight.numel() ** 0.5
        if isinstance(module, nn.BatchNorm2d):
            assert module.bias.abs().max() == 0
    gains = torch.cat([m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
    assert gains.mean().item() == pytest.approx(1, abs=0.01)
    assert gains.std().item() == pytest.approx(0.02, rel=0.25)


@pytest.mark.parametrize("size", [0, 4, 12, 28, 48, 256])
def test_other_sizes_are_refused(size):
    assert size not in IMAGE_SIZES
    for build in (generator, discriminator):
        with pytest.raises(ValueError, match=rf"image_size={size}.*8, 16, 32, 64, 128"):
            build(image_size=size)


def test_a_step_of_d_lowers_its_loss():
    network, loss = discriminator(image_size=16, width=8), NonSaturating()
    real, fake = noise(16, 3, 16, 16).tanh(), generator(image_size=16)(noise(16, 10)).detach()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def value():
        return loss.real(network(real)) + loss.fake(network(fake))

    before = value()
    before.backward()
    optimizer.step()
    assert value() < before - 0.01
