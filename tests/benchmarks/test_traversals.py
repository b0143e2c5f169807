"""Benchmark of traversals: the effect of an axis of a code on the class."""

import pytest
import torch

from benchmarks import traversals
from lightning_gans.core.errors import UserError
from lightning_gans.core.prior import Categorical, Normal, Uniform
from lightning_gans.models.generative import GenerativeModel
from lightning_gans.models.infogan import InfoGANModel


def test_an_axis_that_decides_the_class_has_all_the_information_and_one_that_does_nothing_has_none():
    still = torch.zeros(8, 10, 1, 4, 4)
    decides = torch.arange(10).repeat(8, 1)
    nothing = torch.arange(8)[:, None].repeat(1, 10)
    ramp = torch.linspace(-1, 1, 10)[None, :, None, None, None].expand_as(still)
    assert traversals.measured(ramp, decides, among=10) == pytest.approx((1.0, 1.0, 2 / 9))
    assert traversals.measured(still, nothing, among=10) == pytest.approx((0.0, 0.0, 0.0))


def test_an_axis_that_decides_between_two_halves_has_a_bit():
    halves = torch.tensor([[0, 0, 1, 1]]).repeat(3, 1)
    walk = traversals.measured(torch.zeros(3, 4, 1, 2, 2), halves, among=2)
    assert walk == pytest.approx((1.0, 1 / 3, 0.0))


def test_the_axes_are_the_codes_of_infogan_and_the_numbers_of_a_plain_gan():
    plain = GenerativeModel(generator=torch.nn.Linear(3, 1), prior=Normal(dim=3))
    assert [name for name, _ in traversals.axes_of(plain)] == ["number 0", "number 1", "number 2"]
    informed = InfoGANModel(
        noise=Uniform(dim=4),
        codes=[Categorical(dim=10), Uniform(dim=1, bound=1.0)],
        generator=torch.nn.Linear(15, 1),
        encoder=torch.nn.Identity(),
    )
    assert [(name, axis.first) for name, axis in traversals.axes_of(informed)] == [
        ("category of 10", 4),
        ("number 14", 14),
    ]


def test_a_model_without_a_code_is_refused():
    with pytest.raises(UserError, match="no code to move along"):
        traversals.axes_of(torch.nn.Identity())


def test_an_exported_run_is_measured(capsys):
    """The generator that comes with the package, of 32 px; the classifier of the tests' cache."""
    with pytest.raises(UserError, match="unconditional"):
        traversals.main(["zoo/digits", "--starts", "2"])
    assert traversals.main(["zoo/encoder", "--starts", "2"]) == 0
    assert "number 0" in capsys.readouterr().out
