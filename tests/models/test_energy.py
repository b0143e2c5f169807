"""Langevin chains on energies that are known."""

import pytest
import torch
from torch import nn

from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.models.energy import EnergyModel
from lightning_gans.networks.dcgan import DCGANDiscriminator


class Quadratic(nn.Module):
    """D(x) = -x^2 / 2: the energy of N(0, 1)."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return -self.scale * x.square().sum(1, keepdim=True) / 2


def quadratic(**settings):
    settings = {"steps": 10, "step_size": 0.1, "noise": 0.0, "low": -9.0, "high": 9.0, **settings}
    return EnergyModel(discriminator=Quadratic(), shape=(1,), **settings)


@pytest.mark.parametrize("eps", [0.4, 1.0])
def test_the_stationary_variance_is_unadjusted_langevins(eps):
    model, draws = quadratic(step_size=eps / 2, noise=eps**0.5), stream("langevin")
    x = torch.zeros(200_000, 1)
    for _ in range(40):
        x = model.descend(x, torch.randn(x.shape, generator=draws))
    at_gradient = x + eps**0.5 * torch.randn(x.shape, generator=draws)  # where the next gradient is taken
    assert at_gradient.var().item() == pytest.approx(1 / (1 - eps / 4), rel=0.015)  # 4.7 deviations
    assert x.var().item() == pytest.approx((1 - eps / 2) ** 2 / (1 - eps / 4), rel=0.015)


def test_a_step_is_noise_then_gradient_then_box():
    model = quadratic(step_size=0.5, noise=2.0, clip=1.5, low=-3.0, high=1.0)
    x, noise = torch.tensor([[1.0], [0.5], [-3.0]]), torch.tensor([[1.0], [0.25], [-1.0]])
    # 1 + 2 = 3 has the gradient 3, clipped to 1.5: 2.25, outside; .5 + .5 = 1: .5; -3 - 2 = -5: -4.25, outside
    assert model.descend(x, noise).flatten().tolist() == [1.0, 0.5, -3.0]


def test_a_chain_leaves_no_trace_on_the_discriminator():
    model = quadratic()
    x = model.chain(torch.ones(4, 1, requires_grad=True), 5, lambda: torch.zeros(4, 1))
    assert not x.requires_grad
    assert model.discriminator.scale.grad is None
    assert x.flatten().tolist() == pytest.approx([0.9**5] * 4)


def test_samples_are_by_index_and_seed():
    model = EnergyModel(
        discriminator=nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.Softplus(), nn.Linear(4, 1)),
        shape=(2, 2, 2),
        steps=7,
        step_size=0.3,
        noise=0.1,
    )
    whole = model.sample(130, seed=3)
    assert whole.shape == (130, 2, 2, 2)
    assert torch.equal(model.sample(10, seed=3, start=60), whole[60:70])
    assert not torch.equal(model.sample(1, seed=4), whole[:1])
    strip = model.evolution(3, 5, seed=3)
    assert strip.shape == (3, 5, 2, 2, 2)
    assert torch.equal(strip[:, -1], whole[:3])
    assert not torch.equal(strip[:, 0], strip[:, 1])
    assert whole.abs().max() <= 1
    assert model.training  # as it was


def test_what_is_no_energy_of_one_sample_is_refused():
    with pytest.raises(UserError, match=r"network\.discriminator\.norm=none"):
        EnergyModel(
            discriminator=DCGANDiscriminator(channels=1, image_size=16, width=4),
            shape=(1, 16, 16),
            steps=1,
            step_size=1.0,
            noise=0.0,
        )
    with pytest.raises(UserError, match=r"low=1\.0 and high=1\.0"):
        quadratic(low=1.0, high=1.0)


class Correlated(nn.Module):
    """The energy of two numbers of variance 1 whose correlation is 0.8."""

    def __init__(self):
        super().__init__()
        self.precision = nn.Parameter(torch.tensor([[1.0, 0.8], [0.8, 1.0]]).inverse())

    def forward(self, x):
        return -(x @ self.precision * x).sum(1, keepdim=True) / 2


def test_unknown_numbers_are_sampled_given_the_known_ones():
    """For a normal pair, x_1 given x_0 is N(0.8 x_0, 1 - 0.8^2); finite Langevin steps change its variance."""
    eps, given = 0.1, 1.5
    model = EnergyModel(
        discriminator=Correlated(), shape=(2,), steps=60, step_size=eps / 2, noise=eps**0.5, low=-9.0, high=9.0
    )
    x = torch.tensor([[given, torch.nan]]).expand(6400, 2)  # what is not known is not read
    made = model.inpaint(x, torch.tensor([True, False]), seed=3)
    assert torch.equal(made[:, 0], x[:, 0])
    a = 1 - eps / 2 / (1 - 0.8**2)  # of one step on the way back to the mean
    variance = a**2 * eps / (1 - a**2)
    assert made[:, 1].mean().item() == pytest.approx(0.8 * given, abs=4 * (variance / 6400) ** 0.5)
    assert made[:, 1].var().item() == pytest.approx(variance, rel=4 * (2 / 6400) ** 0.5)


def test_completions_are_by_index_and_seed():
    model = EnergyModel(
        discriminator=nn.Sequential(nn.Flatten(), nn.Linear(8, 4), nn.Softplus(), nn.Linear(4, 1)),
        shape=(2, 2, 2),
        steps=7,
        step_size=0.3,
        noise=0.1,
    )
    x = torch.rand(130, 2, 2, 2, generator=stream("x")) * 2 - 1
    known = torch.tensor([[True, False], [True, True]])
    whole = model.inpaint(x, known, seed=3)
    assert torch.equal(whole[..., known], x[..., known])
    part = model.inpaint(x[60:70], known, seed=3, start=60)
    torch.testing.assert_close(part, whole[60:70], rtol=0, atol=1e-6)
    assert not torch.equal(model.inpaint(x[:1], known, seed=4), whole[:1])
    assert whole.abs().max() <= 1
    # with nothing known it is a sample
    torch.testing.assert_close(model.inpaint(x, torch.tensor(False), seed=3), model.sample(130, seed=3))
    assert model.training  # as it was
