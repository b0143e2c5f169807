import pytest
import torch
from torch import nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.protocols import Samples, Translates
from lightning_gans.models import build, load_generator, save_generator
from lightning_gans.models.translation import TranslationModel
from lightning_gans.networks.translation import ResNetTranslator


class Times(nn.Module):
    """x -> factor x."""

    channels, multiple, least = 3, 4, 8

    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(float(factor)))

    def forward(self, x):
        return self.factor * x * (2 if self.training else 1)


def test_each_direction_has_its_translator():
    model = TranslationModel(a2b=Times(2), b2a=Times(5)).train()
    x = torch.rand(20, 3, 8, 12)
    assert torch.equal(model.translate(x, "a2b"), 2 * x)
    assert torch.equal(model.translate(x, "b2a"), 5 * x)
    assert not model.translate(x, "a2b").requires_grad
    assert model.training
    assert isinstance(model, Translates)
    assert not isinstance(model, Samples)


@pytest.mark.parametrize("height, width", [(8, 10), (10, 8), (4, 8), (8, 4)])
def test_sizes_that_do_not_go_through_are_refused(height, width):
    model = TranslationModel(a2b=Times(2), b2a=Times(5))
    with pytest.raises(UserError, match=f"{width}x{height} pixels.* multiples of 4, and 8 or more"):
        model.translate(torch.zeros(1, 3, height, width), "a2b")


def test_a_direction_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="direction=a2c: say a2b or b2a"):
        TranslationModel(a2b=Times(2), b2a=Times(5)).translate(torch.zeros(1, 3, 8, 8), "a2c")


def test_both_directions_are_exported(tmp_path):
    network = {"channels": 1, "width": 2, "downsamplings": 1, "blocks": 1}
    spec = {"_target_": "lightning_gans.models.translation.TranslationModel"} | {
        name: {"_target_": "lightning_gans.networks.translation.ResNetTranslator", **network} for name in ("a2b", "b2a")
    }
    model, x = build(spec), torch.randn(2, 1, 8, 6)
    save_generator(model, spec, tmp_path)
    loaded = load_generator(tmp_path)
    made = {direction: loaded.translate(x, direction) for direction in ("a2b", "b2a")}
    assert all(torch.equal(made[direction], model.translate(x, direction)) for direction in made)
    assert not torch.allclose(made["a2b"], made["b2a"])
    assert loaded.channels("a2b") == loaded.channels("b2a") == 1
    for name, channels, out_channels in (("a2b", 3, 1), ("b2a", 1, 3)):
        spec[name] = {**spec[name], "channels": channels, "out_channels": out_channels}
    save_generator(build(spec), spec, tmp_path / "other")
    other = load_generator(tmp_path / "other")
    assert (other.channels("a2b"), other.channels("b2a")) == (3, 1)
    assert other.translate(torch.randn(2, 3, 8, 6), "a2b").shape == (2, 1, 8, 6)
    assert isinstance(loaded.a2b, ResNetTranslator)
