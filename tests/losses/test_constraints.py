import torch
from torch import nn

from lightning_gans.losses.constraints import WeightClip


def test_every_parameter_comes_within_the_bound_biases_and_batch_norm_too():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.linspace(-0.03, 0.02, parameter.numel()).view_as(parameter))
    before = [parameter.detach().clone() for parameter in network.parameters()]
    WeightClip(bound=0.01)(network)
    for old, parameter in zip(before, network.parameters(), strict=True):
        assert torch.equal(parameter, old.clamp(-0.01, 0.01))
        assert parameter.requires_grad
    assert any(not torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
