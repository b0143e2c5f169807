import pytest
import torch
from torch import nn

from lightning_gans.losses.adversarial import NonSaturating
from lightning_gans.networks.dcgan import IMAGE_SIZES, DCGANDiscriminator, DCGANGenerator


def generator(*, latent_dim=10, channels=3, image_size=64, width=4):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DCGANGenerator(latent_dim=latent_dim, channels=channels, image_size=image_size, width=width)


def linear(**settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DCGANGenerator(**{"latent_dim": 10, "channels": 3, "image_size": 16, "width": 4} | settings)


def discriminator(*, channels=3, image_size=64, width=4, norm="batch"):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return DCGANDiscriminator(channels=channels, image_size=image_size, width=width, norm=norm)


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


@pytest.mark.parametrize(
    "norm, alone", [("batch", False), *((n, True) for n in "layer instance none spectral".split())]
)
def test_samples_are_judged_alone_but_for_batch_norm(norm, alone):
    """Assumption of penalties on each sample's gradient."""
    network, x = discriminator(image_size=16, norm=norm), noise(4, 3, 16, 16).requires_grad_()
    (gradient,) = torch.autograd.grad(network(x)[0].sum(), x, create_graph=True)
    strangers = gradient[1:].abs().max().item()
    assert gradient[0].abs().max() > 0
    assert strangers == 0 if alone else strangers > 0
    gradient.square().sum().backward()
    assert all(p.grad.abs().max() > 0 for name, p in network.named_parameters() if "bias" not in name)


def test_what_replaces_batch_norm():
    def kinds(norm):
        return [kind(m) for m in discriminator(norm=norm).layers]

    batch = kinds("batch")
    places = [i for i, k in enumerate(batch) if k is nn.BatchNorm2d]
    assert len(places) == 3
    for norm, its in (("layer", nn.GroupNorm), ("instance", nn.InstanceNorm2d)):
        assert kinds(norm) == [its if i in places else k for i, k in enumerate(batch)]
        assert count(discriminator(norm=norm)) == count(discriminator())
    assert {m.num_groups for m in discriminator(norm="layer").layers if isinstance(m, nn.GroupNorm)} == {1}
    for norm in ("none", "spectral"):
        convolutions = [m for m in discriminator(norm=norm).modules() if isinstance(m, nn.Conv2d)]
        assert not any("Norm" in type(m).__name__ for m in discriminator(norm=norm).layers)
        assert [m.bias is not None for m in convolutions] == [False, True, True, True, False]
        assert {hasattr(m, "parametrizations") for m in convolutions} == {norm == "spectral"}
    with pytest.raises(ValueError, match=r"norm='group'.*layer"):
        discriminator(norm="group")


def test_spectral_weights_have_a_norm_of_one():
    network, x = discriminator(image_size=16, norm="spectral"), noise(2, 3, 16, 16)
    for module in network.layers:
        if isinstance(module, nn.Conv2d):
            weight, norm = module.parametrizations.weight.original, module.parametrizations.weight[0]
            for _ in range(300):
                norm.iterate(weight)
            assert torch.linalg.svdvals(module.weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-3)
    assert network.eval()(x).isfinite().all()


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


def test_a_linear_generator_is_the_same_without_its_tanh():
    z = 5 * noise(2, 10)
    logits, images = linear(output="linear")(z), generator(image_size=16)(z)
    assert torch.equal(logits.tanh(), images)
    assert linear(channels=256, output="linear")(z).shape == (2, 256, 16, 16)
    with pytest.raises(ValueError, match="output='sigmoid'"):
        linear(output="sigmoid")
