"""pix2pix's U-Net."""

import pytest
import torch

from lightning_gans.networks.unet import UNet


def test_the_papers_network_has_its_parameters():
    with torch.device("meta"):
        net = UNet(channels=3, out_channels=3, image_size=256)
    assert sum(p.numel() for p in net.parameters()) == 54_413_955
    assert net.dropped == {1: (512, 4), 2: (512, 8), 3: (512, 16)}


@pytest.mark.parametrize("size", [8, 16, 32])
def test_images_of_the_same_size(size):
    net = UNet(channels=1, out_channels=3, image_size=size, width=4)
    x = torch.rand(2, 1, size, size) * 2 - 1
    y = net(x, torch.rand(2, net.noise))
    assert y.shape == (2, 3, size, size)
    assert y.abs().max() <= 1


def test_noise_is_dropout():
    torch.manual_seed(0)
    net = UNet(channels=1, out_channels=1, image_size=16, width=4, dropout=0.25, dropout_layers=2).eval()
    x, z = torch.rand(2, 1, 16, 16), torch.rand(2, net.noise)
    assert not torch.equal(net(x, z), net(x, torch.rand(2, net.noise)))
    above = z.clamp(min=0.25)  # nothing is dropped, whatever the numbers are
    assert torch.equal(net(x, above), net(x, torch.ones_like(z)))
    seen = []
    net.up[2].register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    net(x, torch.zeros_like(z))
    maps, _ = net.dropped[1]
    assert (seen[0][:, :maps] == 0).all()  # all is dropped
    assert UNet(channels=1, out_channels=1, image_size=16, width=4, dropout=0.0).noise == 0


def test_a_size_that_cannot_be_halved_is_refused():
    for settings in ({"image_size": 28}, {"image_size": 8, "dropout_layers": 2}):
        with pytest.raises(ValueError, match="U-Net"):
            UNet(channels=1, out_channels=1, **settings)
