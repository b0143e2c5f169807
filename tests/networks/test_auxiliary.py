import pytest
import torch

from lightning_gans.networks.auxiliary import AuxiliaryDCGANDiscriminator, AuxiliaryMLPDiscriminator

MLP = {"sample_shape": (1, 8, 8), "width": 8, "dropout": 0.0}


@pytest.mark.parametrize(
    "network",
    [
        AuxiliaryDCGANDiscriminator(channels=1, image_size=8, width=8, classes=3),
        AuxiliaryMLPDiscriminator(depth=1, classes=3, **MLP),
        AuxiliaryMLPDiscriminator(depth=0, classes=3, **MLP),
    ],
    ids=["dcgan", "mlp", "linear"],
)
def test_two_heads_on_one_trunk(network):
    logits, class_logits = network(torch.randn(5, 1, 8, 8))
    assert logits.shape == (5, 1)
    assert class_logits.shape == (5, 3)
    (last,) = (parameter for parameter in network.parameters() if parameter.shape[0] == 4 and parameter.dim() > 1)
    (to_logit,) = torch.autograd.grad(logits.sum(), last, retain_graph=True)
    (to_class,) = torch.autograd.grad(class_logits.square().sum(), last)
    rows = to_logit.flatten(1).abs().sum(1), to_class.flatten(1).abs().sum(1)
    assert [row.bool().tolist() for row in rows] == [[True, False, False, False], [False, True, True, True]]


def test_the_heads_are_initialised_as_dcgans_layers():
    network = AuxiliaryDCGANDiscriminator(channels=1, image_size=8, width=64, classes=99)
    assert network.layers[-2].weight.std().item() == pytest.approx(0.02, rel=0.02)
