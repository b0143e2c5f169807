"""CycleGAN's networks: sizes, receptive fields, and what they take."""

import pytest
import torch
from torch import nn

from lightning_gans.core.rng import isolated
from lightning_gans.networks.translation import PatchDiscriminator, ResNetTranslator


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("blocks, expected", [(9, 11_378_179), (6, 7_837_699)])
def test_the_papers_translators(blocks, expected):
    with torch.device("meta"):
        assert parameters(ResNetTranslator(channels=3, blocks=blocks)) == expected


def test_the_papers_discriminator():
    with torch.device("meta"):
        network = PatchDiscriminator(channels=3, image_size=256)
    assert parameters(network) == 2_764_737
    assert network(torch.empty(1, 3, 256, 256, device="meta")).shape == (1, 1, 30, 30)


@pytest.mark.parametrize("layers, field", [(1, 16), (2, 34), (3, 70)])
def test_a_logit_sees_its_patch_and_nothing_else(layers, field):
    network = PatchDiscriminator(channels=1, image_size=128, width=2, layers=layers)
    # Instance norm tells every logit the mean and deviation of the whole map: the convolutions are looked at alone.
    convolutions = nn.Sequential(*(layer for layer in network.layers if not isinstance(layer, nn.InstanceNorm2d)))
    for parameter in convolutions.parameters():
        parameter.data.abs_().add_(0.1)
    x = torch.ones(1, 1, 128, 128, requires_grad=True)
    logits = convolutions(x)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    rows, columns = (x.grad[0, 0] != 0).nonzero().unbind(1)
    assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == field == network.receptive_field
    assert rows.min() > 0
    assert rows.max() < 127
    assert len(rows) == field**2


@pytest.mark.parametrize("downsamplings", [0, 1, 2, 3])
def test_what_a_translator_takes_it_gives_back(downsamplings):
    network = ResNetTranslator(channels=3, width=2, downsamplings=downsamplings, blocks=1)
    least, multiple = network.least, network.multiple
    for size in ((least, least), (least + multiple, least + 3 * multiple)):
        y = network(torch.randn(1, 3, *size))
        assert y.shape == (1, 3, *size)
        assert y.abs().max() <= 1
    with pytest.raises(RuntimeError):
        network(torch.randn(1, 3, least - multiple, least))
    if multiple > 1:
        assert network(torch.randn(1, 3, least + 1, least)).shape[2] != least + 1


def test_an_image_is_translated_and_judged_by_itself():
    with isolated("itself"):
        translator = ResNetTranslator(channels=1, width=4, downsamplings=1, blocks=1)
        discriminator = PatchDiscriminator(channels=1, image_size=16, width=4, layers=2)
        x = torch.randn(3, 1, 16, 16)
    for network in (translator, discriminator):
        alone = torch.cat([network(one[None]) for one in x])
        assert torch.allclose(network(x), alone, atol=1e-5)
        assert not torch.allclose(alone[0], alone[1], atol=1e-3)


def test_weights_begin_small_and_without_a_bias():
    with isolated("weights"):
        network = ResNetTranslator(channels=3, width=16, downsamplings=2, blocks=2)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        elif parameter.numel() > 1000:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: PatchDiscriminator(channels=1, image_size=16, layers=3), "at least 24 pixels"),
        (lambda: PatchDiscriminator(channels=1, image_size=16, layers=0), "layers=0"),
        (lambda: ResNetTranslator(channels=1, blocks=-1), "blocks=-1"),
    ],
)
def test_what_cannot_be_built_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize("layers, size", [(1, 8), (2, 16), (3, 32), (3, 24)])
def test_the_smallest_images_leave_a_logit(layers, size):
    assert PatchDiscriminator(channels=1, image_size=size, width=2, layers=layers)(
        torch.randn(1, 1, size, size)
    ).numel()
