"""The advice that a diverged run ends with: it fits the cause, and names the player and the samples."""

from types import SimpleNamespace

import pytest
import torch

from experiments.jobs import endings
from experiments.jobs.preflight import preflight
from lightning_gans.core.batches import SampleBatch, UnpairedBatch
from lightning_gans.core.errors import Diverged, UserError


class Data:
    """A training split of these batches."""

    def __init__(self, *batches):
        self.all = batches

    def split(self, name):
        assert name == "train"
        return SimpleNamespace(batches=lambda size: iter(self.all))


def advice(cause, player="", *, data=None, precision="32-true"):
    trainer = SimpleNamespace(datamodule=data, precision=precision)
    return endings.advice(Diverged("It diverged.", cause=cause, player=player), trainer)


def spoilt(*rows, n=4):
    x = torch.zeros(n, 1, 2, 2)
    x[list(rows), 0, 1, 1] = float("nan")
    return x


def test_samples_that_are_not_finite_are_named():
    two = Data(SampleBatch(spoilt(3)), SampleBatch(spoilt(0, 2), torch.arange(4)))
    assert "it is sample 3, 4, 6 (the first is 0)." in advice("data", data=two)
    assert "it is sample 0, 1, 2 and more" in advice("data", data=Data(SampleBatch(spoilt(0, 1, 2, 3))))
    assert "it is sample 1 " in advice("data", data=Data(UnpairedBatch(spoilt(), spoilt(1))))
    for data in (None, Data(SampleBatch(spoilt()))):
        said = advice("data", data=data)
        assert "sample " not in said.replace("samples", "")
        assert "repair or remove" in said
        assert "optimizer.lr" not in said


@pytest.mark.parametrize("cause", ["network", "loss", "gradient"])
def test_it_is_the_blamed_players_rate(cause):
    said = advice(cause, "D")
    assert "a tenth of player D's learning rate (variant.training.players.D.optimizer.lr=...)" in said
    assert "precision" not in said
    assert "trainer.precision=32-true, " in advice(cause, "D", precision="bf16-true")


@pytest.mark.parametrize("precision", ["16-true", "16-mixed", "16"])
def test_float16_is_refused_before_anything_is_built(precision, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"trainer\.precision={precision}: float16 .*bf16-mixed.* 32-true"):
        preflight(["variant=vanilla", "data=ring", f"trainer.precision={precision}"])
    assert not list(tmp_path.iterdir())
