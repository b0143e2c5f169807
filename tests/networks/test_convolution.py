import pytest
import torch
from torch import nn

from lightning_gans.networks.convolution import CodeToMap, ImageToMap, MapToCode, MapToImage

# ours, torch's own, shape of the input
PAIRS = {
    "code to map": (CodeToMap(6, 5), nn.ConvTranspose2d(6, 5, 4, bias=False), (3, 6, 1, 1)),
    "map to code": (MapToCode(5, 2), nn.Conv2d(5, 2, 4, bias=False), (3, 5, 4, 4)),
    "map to grey image": (MapToImage(5, 1), nn.ConvTranspose2d(5, 1, 4, 2, 1, bias=False), (3, 5, 4, 8)),
    "map to colour image": (MapToImage(5, 3), nn.ConvTranspose2d(5, 3, 4, 2, 1, bias=False), (3, 5, 4, 8)),
    "grey image to map": (ImageToMap(1, 5), nn.Conv2d(1, 5, 4, 2, 1, bias=False), (3, 1, 8, 16)),
    "colour image to map": (ImageToMap(3, 5), nn.Conv2d(3, 5, 4, 2, 1, bias=False), (3, 3, 8, 16)),
}


def gradients(layer, x):
    """Output, and first and second derivatives by input and weight, as a gradient penalty takes them."""
    x = x.clone().requires_grad_()
    y = layer(x)
    first = torch.autograd.grad(y.sin().sum(), [x, layer.weight], create_graph=True)
    second = torch.autograd.grad(first[0].square().sum(), [x, layer.weight])
    return [y, *first, *second]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_the_function_is_that_of_the_class_it_derives_from(pair, memory_format):
    ours, theirs, shape = pair
    ours, theirs = ours.double().to(memory_format=memory_format), theirs.double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for mine, expected in zip(gradients(ours, x), gradients(theirs, x), strict=True):
        assert mine.shape == expected.shape
        torch.testing.assert_close(mine, expected, rtol=1e-12, atol=1e-12)
    assert expected.abs().max() > 0
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)
