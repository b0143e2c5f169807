import pytest
import torch
from torch import nn

from lightning_gans.networks.domain import MNISTDomainNetwork, SmallDomainNetwork, SVHNDomainNetwork


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_papers_network_for_mnist():
    network = MNISTDomainNetwork(channels=3, image_size=28, classes=10)
    assert network.feature_dim == 768
    assert [count(part) for part in (network.features, network.label, network.domain)] == [40_880, 88_010, 77_102]


def test_the_papers_network_for_street_numbers():
    with torch.device("meta"):
        network = SVHNDomainNetwork(channels=3, image_size=32, classes=10)
        label, domain = network(torch.empty(2, 3, 32, 32))
    assert network.feature_dim == 128 * 8 * 8
    assert [layer.out_features for layer in network.label[::2]] == [3072, 2048, 10]
    assert [layer.out_features for layer in network.domain[::2]] == [1024, 1024, 2]
    assert (label.shape, domain.shape) == ((2, 10), (2, 2))


@pytest.mark.parametrize(
    "network, size",
    [*((SmallDomainNetwork, size) for size in (8, 16, 28, 32)), (MNISTDomainNetwork, 16), (MNISTDomainNetwork, 32)]
    + [(SVHNDomainNetwork, size) for size in (8, 28)],
)
def test_sizes(network, size):
    with torch.device("meta"):
        made = network(channels=1, image_size=size, classes=4)
        assert made.features(torch.empty(3, 1, size, size)).shape == (3, made.feature_dim)
        label, domain = made(torch.empty(3, 1, size, size))
    assert (label.shape, domain.shape) == ((3, 4), (3, 2))


@pytest.mark.parametrize(
    "network, size, least", [(SmallDomainNetwork, 4, 8), (MNISTDomainNetwork, 8, 16), (SVHNDomainNetwork, 4, 8)]
)
def test_what_is_too_small_is_refused(network, size, least):
    with pytest.raises(ValueError, match=rf"image_size={size} is too small: .* {least} pixels"):
        network(channels=1, image_size=size, classes=4)


def test_nothing_keeps_statistics_of_a_batch():
    for network in (SmallDomainNetwork, MNISTDomainNetwork):
        made = network(channels=1, image_size=16, classes=4)
        assert not list(made.buffers())
        assert not any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.Dropout) for module in made.modules())


def test_dropout_is_before_d_alone_and_only_in_training():
    torch.manual_seed(0)
    plain = SmallDomainNetwork(channels=1, image_size=8, classes=4, width=8)
    torch.manual_seed(0)
    made = SmallDomainNetwork(channels=1, image_size=8, classes=4, width=8, domain_dropout=0.5)
    x = torch.randn(16, 1, 8, 8)
    for wanted, found in zip(plain(x), made.eval()(x), strict=True):
        assert torch.equal(wanted, found)  # the same weights from the same seed
    made.train()
    (label, domain), (again, other) = made(x), made(x)
    assert torch.equal(label, again)
    assert not torch.equal(domain, other)
    seen = made.domain[0](torch.ones(1000, 10))
    assert (seen == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
