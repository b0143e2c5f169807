from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from lightning_gans.core.batches import SampleBatch, split_batch
from lightning_gans.core.errors import UserError


def test_micro_batches_are_equal_parts_in_order():
    batch = SampleBatch(torch.arange(12.0).view(6, 2), torch.arange(6))
    parts = split_batch(batch, 3)
    assert [type(part) for part in parts] == [SampleBatch] * 3
    assert torch.equal(torch.cat([part.x for part in parts]), batch.x)
    assert [part.label.tolist() for part in parts] == [[0, 1], [2, 3], [4, 5]]


def test_columns_that_are_not_there_stay_away():
    first, second = split_batch(SampleBatch(torch.zeros(4, 1)), 2)
    assert first.label is None
    assert len(second.x) == 2


def test_one_part_is_the_batch_itself():
    batch = SampleBatch(torch.zeros(3, 1))
    assert split_batch(batch, 1) == [batch]
    assert split_batch(batch, 1)[0].x is batch.x


def test_any_typed_batch_will_do():
    class Pairs(NamedTuple):
        a: Tensor
        b: Tensor

    parts = split_batch(Pairs(torch.zeros(4, 1), torch.ones(4, 3)), 2)
    assert [tuple(part.b.shape) for part in parts] == [(2, 3), (2, 3)]
    assert type(parts[0]) is Pairs


def test_what_cannot_be_divided_is_refused():
    with pytest.raises(UserError, match=r"accumulate=4: .*6 samples"):
        split_batch(SampleBatch(torch.zeros(6, 1)), 4)
