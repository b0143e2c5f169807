from dataclasses import replace
from functools import partial
from math import cos, exp, pi

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR, LinearLR

from datamodules import Ring
from lightning_gans.core.errors import UserError
from lightning_gans.core.schedules import Cosine, HoldThenDecay, HoldThenLinear, InverseDecay, cosine, saturating
from tests.helpers.play import StopAfter, play
from tests.helpers.tiny import tiny_game


def adam(*, lr=2e-4, beta2=0.9):
    return torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], lr=lr, betas=(0.0, beta2))


@pytest.mark.parametrize("progress, value", [(-1, 3), (0, 3), (0.25, 4 - cos(pi / 4)), (0.5, 4), (1, 5), (2, 5)])
def test_half_a_cosine(progress, value):
    assert cosine(3.0, 5.0, progress) == pytest.approx(value, rel=1e-12)


def test_the_learning_rate_falls_and_beta2_rises():
    optimizer = adam()
    schedule = Cosine(optimizer, iterations=8, end_factor=0.25, beta2=0.99)
    seen = []
    for _ in range(10):
        seen.append((optimizer.param_groups[0]["lr"], *optimizer.param_groups[0]["betas"]))
        optimizer.step()
        schedule.step()
    assert seen[0] == pytest.approx((2e-4, 0, 0.9))
    assert seen[4] == pytest.approx((1.25e-4, 0, 0.945))
    assert seen[8] == seen[9] == pytest.approx((5e-5, 0, 0.99))
    assert [lr for lr, _, _ in seen[:9]] == sorted((lr for lr, _, _ in seen[:9]), reverse=True)


def test_without_beta2_any_optimizer_will_do():
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    schedule = Cosine(sgd, iterations=2, end_factor=0.0)
    sgd.step()
    schedule.step()
    assert sgd.param_groups[0]["lr"] == pytest.approx(0.5)
    with pytest.raises(UserError, match=r"beta2=0.99: SGD has no betas"):
        Cosine(sgd, iterations=2, end_factor=0.0, beta2=0.99)
    optimizer = adam()
    Cosine(optimizer, iterations=2, end_factor=0.5)
    assert optimizer.param_groups[0]["betas"] == (0.0, 0.9)


def test_a_resumed_schedule_goes_on_to_the_last_bit():
    straight, resumed = adam(), adam()
    first = Cosine(straight, iterations=7, end_factor=0.1, beta2=0.99)
    for _ in range(3):
        straight.step()
        first.step()
    second = Cosine(resumed, iterations=7, end_factor=0.1, beta2=0.99)
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(straight.state_dict())
    for optimizer, schedule in ((straight, first), (resumed, second)):
        optimizer.step()
        schedule.step()
    for key in ("lr", "betas"):
        assert straight.param_groups[0][key] == resumed.param_groups[0][key]


@pytest.mark.parametrize("hold, at", [(0.5, {0: 1, 4: 1, 5: 1, 6: 0.01**0.2, 10: 0.01, 12: 0.01}), (0.0, {5: 0.1})])
def test_a_rate_that_holds_and_then_decays(hold, at):
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    schedule = HoldThenDecay(sgd, iterations=10, hold=hold, end_factor=0.01)
    seen = []
    for _ in range(13):
        seen.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    assert {i: seen[i] for i in at} == pytest.approx({i: 2 * factor for i, factor in at.items()})


@pytest.mark.parametrize("settings", [{"hold": 1.0, "end_factor": 0.1}, {"hold": 0.5, "end_factor": 0.0}])
def test_a_decay_that_has_no_time_or_no_end_is_refused(settings):
    with pytest.raises(UserError, match=r"0 <= hold < 1, 0 < end_factor"):
        HoldThenDecay(adam(), iterations=10, **settings)


@pytest.mark.parametrize(
    "hold, at", [(0.5, {0: 1, 5: 1, 6: 0.8, 9: 0.2, 10: 0, 12: 0}), (0.0, {0: 1, 1: 0.9, 9: 0.1, 10: 0})]
)
def test_a_rate_that_holds_and_then_falls_along_a_line(hold, at):
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=2.0)
    schedule = HoldThenLinear(sgd, iterations=10, hold=hold)
    seen = []
    for _ in range(13):
        seen.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    assert {i: seen[i] for i in at} == pytest.approx({i: 2 * factor for i, factor in at.items()})


def test_a_line_that_has_no_time_is_refused():
    with pytest.raises(UserError, match=r"hold=1.0"):
        HoldThenLinear(adam(), iterations=10, hold=1.0)


@pytest.mark.parametrize(
    "progress, value", [(0, 0), (0.1, 0.4621172), (0.25, 0.8482836), (0.5, 0.9866143), (1, 0.9999092)]
)
def test_what_saturates(progress, value):
    assert saturating(progress) == pytest.approx(value, abs=1e-6)
    assert saturating(progress) == pytest.approx(2 / (1 + exp(-10 * progress)) - 1, abs=1e-12)
    assert saturating(progress / 2, steepness=20) == pytest.approx(value, abs=1e-6)


def test_an_inverse_decay():
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.01, momentum=0.9)
    schedule = InverseDecay(sgd, iterations=4)
    seen = []
    for _ in range(5):
        seen.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    assert seen[0] == 0.01
    assert seen[2] == pytest.approx(0.0026085, abs=1e-6)
    assert seen[4] == pytest.approx(0.0016556, abs=1e-6)
    with pytest.raises(UserError, match=r"schedule\.power=-1"):
        InverseDecay(sgd, iterations=4, power=-1)


# A run that goes on with more iterations than its schedules were laid out for


def lasting(iterations, schedule=None):
    """A game whose D has a schedule over the run; the player G has none."""
    game = tiny_game(iterations, learning_rate=1e-2)
    players = game.training_settings.players
    players["D"] = replace(players["D"], schedule=schedule and partial(schedule, iterations=iterations))
    return game


def linear(optimizer, *, iterations):
    return LinearLR(optimizer, start_factor=1.0, end_factor=0.5, total_iters=iterations)


@pytest.mark.parametrize(
    "schedule, rate",
    [
        (partial(Cosine, end_factor=0.1), "0.001"),
        (partial(HoldThenLinear, hold=0.5), "0"),
        (partial(HoldThenDecay, hold=0.5, end_factor=0.2), "0.002"),
        (InverseDecay, "0.0017"),
        (linear, "0.005"),
    ],
    ids=["cosine", "hold_then_linear", "hold_then_decay", "inverse_decay", "linear"],
)
def test_an_extended_run_says_at_which_rate_it_goes_on(tmp_path, caplog, schedule, rate):
    path = tmp_path / "end.ckpt"
    play(lasting(4, schedule), Ring(batch_size=8), tmp_path, StopAfter(4, path))
    assert not caplog.messages or "schedule" not in caplog.text
    play(lasting(6, schedule), Ring(batch_size=8), tmp_path, checkpoint=path)
    (said,) = [message for message in caplog.messages if "schedule" in message]
    assert said == (
        "Learning rates keep the schedule of 4 iterations that this run began with and do not follow iterations=6 "
        f"(player D's is {rate} now): for a fresh schedule, start a new run_dir with init_from={tmp_path}."
    )


@pytest.mark.parametrize(
    "first, second, schedule",
    [(4, 6, None), (4, 6, lambda optimizer, iterations: LambdaLR(optimizer, lambda step: 0.9**step)), (6, 6, linear)],
    ids=["none", "endless", "resumed"],
)
def test_a_run_whose_rates_do_not_depend_on_its_length_says_nothing(tmp_path, caplog, first, second, schedule):
    path = tmp_path / "some.ckpt"
    play(lasting(first, schedule), Ring(batch_size=8), tmp_path, StopAfter(3, path))
    play(lasting(second, schedule), Ring(batch_size=8), tmp_path, checkpoint=path)
    assert "schedule" not in caplog.text
