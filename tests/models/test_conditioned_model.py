"""A generator that is told a condition vector."""

import pytest
import torch
from torch import nn

from lightning_gans.core.prior import Normal
from lightning_gans.core.protocols import SamplesByCondition, Traverses
from lightning_gans.models import load_generator, save_generator
from lightning_gans.models.conditioned import ConditionedModel
from tests.helpers.composed import composed, game_of


class Sum(nn.Module):
    """x = (z, c)."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(()))

    def forward(self, z, condition):
        return torch.cat([z, condition], 1) * self.w


CONDITIONS = torch.tensor([[0.0, 5.0, 1.0], [10.0, 5.0, 0.0], [20.0, 5.0, 1.0], [30.0, 5.0, 0.0]])


@pytest.fixture
def model():
    made = ConditionedModel(generator=Sum(), prior=Normal(dim=2), condition_dim=3, bank_size=10)
    made.fit_conditions(CONDITIONS)
    return made


def test_networks_see_standardised_conditions(model):
    shown = model.standardised(CONDITIONS)
    assert torch.allclose(shown.mean(0), torch.zeros(3), atol=1e-6)
    assert torch.allclose(shown.std(0, correction=0), torch.tensor([1.0, 0.0, 1.0]))
    assert torch.equal(model.sample(4, condition=CONDITIONS)[:, 2:], shown)


def test_the_bank_holds_training_conditions_evenly(model):
    counts = [int((model.bank == row).all(1).sum()) for row in CONDITIONS]
    assert sum(counts) == 10
    assert max(counts) - min(counts) <= 1


def test_a_sample_follows_from_seed_and_index(model):
    whole = model.sample(150, seed=3)
    assert torch.equal(torch.cat([model.sample(70, seed=3), model.sample(80, seed=3, start=70)]), whole)
    drawn = model.conditions(150, seed=3)
    assert torch.equal(whole[:, 2:], model.standardised(drawn))
    assert len(drawn.unique(dim=0)) == 4
    given = model.sample(150, seed=3, condition=CONDITIONS[1])
    assert torch.equal(given[:, :2], whole[:, :2])  # a condition that is given changes no code
    assert torch.equal(model.conditions(80, seed=3, start=70), drawn[70:])


def test_a_traversal_moves_one_number(model):
    rows = model.traverse(5, seed=1)
    assert rows.shape == (2, 5, 5)  # the constant number is no axis
    own = model.sample(1, seed=1)[0]
    low, high = model.standardised(CONDITIONS).amin(0), model.standardised(CONDITIONS).amax(0)
    for row, axis in zip(rows, (0, 2), strict=True):
        assert torch.allclose(row[[0, -1], 2 + axis], torch.stack([low[axis], high[axis]]))
        others = [place for place in range(5) if place != 2 + axis]
        assert torch.equal(row[:, others], own[others].expand(5, -1))


def test_paths_have_one_condition(model):
    rows = model.interpolate(3, 4, seed=2)
    assert (rows[:, :, 2:] == rows[:, :1, 2:]).all()
    assert rows.shape == (3, 4, 5)


@pytest.mark.parametrize("wrong", [[1.0, 2.0], [[1.0, 2.0, 3.0]] * 3, [1.0, float("nan"), 2.0]])
def test_another_shape_is_refused(model, wrong):
    with pytest.raises(ValueError, match="condition: 3 finite numbers, or 2 rows of them"):
        model.sample(2, condition=wrong)


def test_an_export_samples_alike(tmp_path):
    config = composed("gan_cls", iterations=1)
    game = game_of(config)
    data = torch.rand(40, 12)
    game.model.fit_conditions(data)
    save_generator(game.model.eval(), config["network"]["model"], tmp_path)
    loaded = load_generator(tmp_path)
    assert isinstance(loaded, SamplesByCondition)
    assert isinstance(loaded, Traverses)
    assert torch.equal(loaded.sample(5, seed=1), game.model.sample(5, seed=1))
    assert torch.equal(loaded.bank, game.model.bank)
