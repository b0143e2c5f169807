"""Agreement of samples with the condition vectors that they were generated for."""

import pytest
import torch
from torch import nn

from datamodules import Digits, DigitsAttributes
from lightning_gans.evaluation.conditions import ConditionAgreement, _first
from lightning_gans.evaluation.context import Context


class Nearest(nn.Module):
    """The training image whose condition is nearest; `obeys` False: any training image."""

    condition_dim = 12

    def __init__(self, data, *, obeys):
        super().__init__()
        train = data.split("train")
        self.x, self.known = next(train.batches(9999)).x, train.conditions
        self.obeys = obeys

    def conditions(self, n, *, seed=0, start=0):
        return self.known[start : start + n]

    def sample(self, n, *, condition=None, seed=0, start=0):
        if not self.obeys:
            return self.x[start : start + n]
        scale = self.known.std(0)
        return self.x[torch.cdist(condition / scale, self.known / scale).argmin(1)]


@pytest.fixture(scope="module")
def data():
    return DigitsAttributes(image_size=8)


def measured(data, model, split="test"):
    agreement = ConditionAgreement()
    agreement.prepare(model, data, Context(None, torch.device("cpu")))
    return agreement, agreement(model, data, split)


def test_a_generator_that_obeys_is_told_from_one_that_does_not(data):
    agreement, obeys = measured(data, Nearest(data, obeys=True))
    _, ignores = measured(data, Nearest(data, obeys=False))
    floor = agreement.floor("test")
    assert floor["r_precision"] > 0.75
    assert floor["condition_error"] < 0.3
    assert obeys["r_precision"] > 0.5
    assert obeys["condition_error"] < 0.45
    assert ignores["r_precision"] < 0.05
    assert ignores["condition_error"] == pytest.approx(2**0.5, abs=0.12)
    share = obeys["r_precision"]
    assert obeys["r_precision_se"] == pytest.approx((share * (1 - share) / 180) ** 0.5, rel=0.01)


def test_equal_conditions_are_no_mistake():
    true = torch.tensor([[0.0], [0.0], [1.0]])
    assert _first(true, true).tolist() == [True, True, True]
    assert _first(torch.tensor([[0.9], [0.1], [0.4]]), true).tolist() == [False, True, False]


def test_data_without_conditions_are_not_measured(data):
    model = Nearest(data, obeys=True)
    plain = Digits(image_size=8)
    agreement = ConditionAgreement()
    agreement.prepare(model, plain, Context(None, torch.device("cpu")))
    assert agreement(model, data, "test") == agreement.floor("test") == {}
