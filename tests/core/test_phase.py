import pytest
from torch.optim import SGD

from lightning_gans.core.errors import UserError
from lightning_gans.core.phase import Phase, PlayerSettings, Stage, Training

SETTINGS = {"D": PlayerSettings(optimizer=SGD)}


def loss(batch):
    return {}


def test_a_stage_takes_phases_and_tuples_of_phases():
    d, g = Phase("D", loss), Phase("G", loss, every=2)
    assert Stage([d, g]).updates == ((d,), (g,))
    assert Stage([(d, g), d]).updates == ((d, g), (d,))


@pytest.mark.parametrize(
    "key, value, allowed",
    [
        ("iterations", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("accumulate", 0, "at least 1"),
        ("ema_half_life", 0, "above 0 images"),
        ("ema_half_life", -5, "above 0 images"),
    ],
)
def test_values_out_of_range_are_refused(key, value, allowed):
    with pytest.raises(UserError, match=rf"{key}={value}: must be {allowed}"):
        Training(**({"iterations": 1, "batch_size": 1, "players": SETTINGS} | {key: value}))


@pytest.mark.parametrize("clip_norm", [0, -1.0, float("nan")])
def test_a_norm_to_clip_to_is_above_zero(clip_norm):
    with pytest.raises(UserError, match=r"clip_norm=.*above 0"):
        PlayerSettings(optimizer=SGD, clip_norm=clip_norm)


def test_values_in_range_are_kept():
    training = Training(iterations=1, batch_size=2, players=SETTINGS, ema_half_life=0.5, accumulate=3)
    assert (training.iterations, training.ema_half_life, training.accumulate) == (1, 0.5, 3)
    assert PlayerSettings(optimizer=None, clip_norm=1e-3).clip_norm == 1e-3
