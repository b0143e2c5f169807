"""Losses of half-precision outputs are the float32 losses of the same numbers, to the last bit."""

import pytest
import torch

from lightning_gans.losses.adversarial import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    RelativisticAverage,
    RelativisticPairing,
    Wasserstein,
)
from lightning_gans.losses.critics import Binary, Judged, ThreeWay
from lightning_gans.losses.disentanglement import confusion
from lightning_gans.losses.divergences import DIVERGENCES
from lightning_gans.losses.information import categorical_log_density, gaussian_log_density
from lightning_gans.losses.matching import MeanMatching
from lightning_gans.losses.precision import exact
from lightning_gans.losses.ranking import log_policy

LOSSES = [
    *(Hinge, LeastSquares, Minimax, NonSaturating, RelativisticAverage, RelativisticPairing, Wasserstein),
    *DIVERGENCES.values(),
]


def outputs(seed, *shape):
    """Outputs of a network in bf16, and the same numbers in float32."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).mul(3).bfloat16()
    return x, x.float()


def same(of_half, of_whole):
    assert of_half.dtype == torch.float32
    assert torch.equal(of_half, of_whole)


@pytest.mark.parametrize(
    "loss", [*(loss() for loss in LOSSES), MeanMatching(1, q=2)], ids=lambda loss: type(loss).__name__
)
def test_losses_on_logits(loss):
    (real, real32), (fake, fake32) = outputs(0, 512, 1), outputs(1, 512, 1)
    whole = {**loss.discriminator(real32, fake32), "generator": loss.generator(fake32, real32)}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = {**loss.discriminator(real, fake), "generator": loss.generator(fake, on_real=real)}
    for name, value in whole.items():
        same(half[name], value)


@pytest.mark.parametrize("critic", [Binary(loss=NonSaturating()), ThreeWay()], ids=lambda critic: type(critic).__name__)
def test_critics(critic):
    half, whole = zip(*(outputs(seed, 64, critic.outputs) for seed in range(3)), strict=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        same(critic.decoder(Judged(*half)), critic.decoder(Judged(*whole)))
        same(critic.costs(Judged(*half)), critic.costs(Judged(*whole)))


def test_other_losses():
    code = torch.eye(4).repeat(16, 1)
    everything = torch.ones(64, 4, dtype=torch.bool)
    half, whole = outputs(0, 64, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for loss in (
            lambda x: categorical_log_density(x, code),
            lambda x: gaussian_log_density(x, code),
            confusion,
            lambda x: log_policy(x, everything, temperature=0.3),
        ):
            same(loss(half), loss(whole))


def test_more_than_float32_stays():
    x = torch.randn(3, dtype=torch.float64)
    assert exact(x) is x
    assert Wasserstein().real(x).dtype == torch.float64


def test_a_loss_of_ones_own_is_widened_too():
    class Mine(Wasserstein):
        def real(self, logits):
            assert logits.dtype == torch.float32
            return logits.mean()

    assert Mine().real(outputs(0, 8)[0]).dtype == torch.float32
