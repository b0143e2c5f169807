"""`condition=` of experiments.sample."""

import re

import numpy as np
import pytest
import torch

from experiments import sample
from lightning_gans import load_generator
from lightning_gans.core.errors import UserError
from lightning_gans.models import save_generator
from tests.helpers.composed import composed, game_of

NAMES = ("stroke_width", "slant", *(f"digit_{i}" for i in range(10)))
RUN = "runs/attributes"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("here")
    config = composed("gan_cls", "data.image_size=8", iterations=1)
    game = game_of(config)
    width = torch.linspace(1, 2, 50)[:, None]
    hot = torch.nn.functional.one_hot(torch.arange(50) % 10, 10).float()
    game.model.fit_conditions(torch.cat([width, 10 * width, hot], 1))
    about = {"condition_names": list(NAMES)}
    save_generator(game.model.eval(), config["network"]["model"], folder / RUN / "generator", about=about)
    return folder


@pytest.fixture(autouse=True)
def within(here, monkeypatch):
    monkeypatch.chdir(here)


def made(*arguments):
    assert sample.main([f"run={RUN}", "npz=a.npz", *arguments]) == 0
    return np.load("a.npz")["samples"]


def expected(condition, n, seed=0):
    x = load_generator(RUN).sample(n, condition=condition, seed=seed)
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()


def test_known_values_choose_among_training_conditions():
    bank = load_generator(RUN).bank
    threes = bank[bank[:, 5] == 1]
    wanted = threes[[i % len(threes) for i in range(300)]]
    assert np.array_equal(made("condition=digit_3=1", "n=300"), expected(wanted, 300))
    wanted = wanted.clone()
    wanted[:, 1] = 33
    assert np.array_equal(made("condition=digit_3=1,slant=33", "n=300"), expected(wanted, 300))


def test_other_values_take_the_place_of_drawn_ones():
    wanted = load_generator(RUN).conditions(20, seed=4)
    wanted[:, 1] = -7.5
    assert np.array_equal(made("condition=slant=-7.5", "n=20", "seed=4"), expected(wanted, 20, seed=4))


def test_a_file_gives_a_row_for_each_sample(here):
    rows = [[1.5, 10, *(float(i == k) for i in range(10))] for k in range(3)]
    (here / "rows.csv").write_text(
        "file," + ",".join(NAMES) + "\n" + "\n".join(f"{k},{','.join(map(str, row))}" for k, row in enumerate(rows))
    )
    wanted = torch.tensor([rows[i % 3] for i in range(7)])
    assert np.array_equal(made("condition=rows.csv", "n=7"), expected(wanted, 7))
    (here / "short.csv").write_text("file,a\nx,1\n")
    with pytest.raises(
        UserError, match=r"condition=short\.csv: its conditions have 1 numbers, and the model's have 12"
    ):
        made("condition=short.csv")


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("slnt=1", "have no number slnt. Did you mean slant=1?"),
        ("slant=steep", "slant=steep gives no number"),
        ("slant", "slant gives no number"),
        ("missing.csv", "condition=missing.csv is no file"),
    ],
)
def test_a_slip_is_answered(condition, said):
    with pytest.raises(UserError, match=re.escape(said)):
        made(f"condition={condition}")


def test_a_condition_goes_with_samples_of_such_a_model(here):
    with pytest.raises(UserError, match="a condition is not chosen with traverse="):
        sample.main([f"run={RUN}", "traverse=0", "condition=slant=1"])
    with pytest.raises(UserError, match="is told no condition vector"):
        sample.main(["run=zoo/digits", "npz=b.npz", "condition=slant=1"])
    assert sample.main([f"run={RUN}", "traverse=0", "steps=3", "npz=t.npz"]) == 0
    assert np.load("t.npz")["samples"].shape == (12 * 3, 1, 8, 8)
