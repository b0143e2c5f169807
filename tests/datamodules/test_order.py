import pytest
import torch

from datamodules.order import Order, held_out


def stream_of(order, stop):
    return torch.cat([order.indices(i) for i in range(stop)])


def test_every_epoch_is_a_permutation_and_no_two_are_the_same():
    order = stream_of(Order(10, batch=4, seed=0), 10)
    epochs = order.view(4, 10)
    assert torch.equal(epochs.sort(dim=1).values, torch.arange(10).expand(4, 10))
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 4


def test_a_position_needs_no_history():
    straight = [Order(10, batch=4, seed=0).indices(i).tolist() for i in (7, 3, 7, 0)]
    order = Order(10, batch=4, seed=0)
    assert [order.indices(i).tolist() for i in (7, 3, 7, 0)] == straight
    assert list(order.lists(3, 5)) == [straight[1], order.indices(4).tolist()]


@pytest.mark.parametrize("batch", [4, 6, 24])
def test_ranks_share_the_global_batch_in_order(batch):
    whole = Order(10, batch=batch, seed=1)
    parts = [Order(10, batch=batch, seed=1, rank=rank, world=2) for rank in range(2)]
    for iteration in range(12):
        assert torch.equal(torch.cat([part.indices(iteration) for part in parts]), whole.indices(iteration))


def test_the_stream_does_not_depend_on_the_batch_size():
    assert torch.equal(stream_of(Order(10, batch=4, seed=2), 6), stream_of(Order(10, batch=24, seed=2), 1))


def test_seeds_differ():
    assert not torch.equal(Order(100, batch=50, seed=0).indices(0), Order(100, batch=50, seed=1).indices(0))


def test_a_split_is_exact_disjoint_and_named_by_its_key():
    rest, chosen = held_out(103, 10, "split", "test")
    assert torch.equal(torch.cat([rest, chosen]).sort().values, torch.arange(103))
    assert len(chosen) == 10
    assert torch.equal(held_out(103, 10, "split", "test")[1], chosen)
    assert not torch.equal(held_out(103, 10, "split", "another")[1], chosen)


def test_a_split_scatters_as_a_sample_does():
    """Counts of a class among held-out samples vary as draws without replacement do: n p (1 - p) (N - n) / (N - 1)."""
    labels = torch.arange(1000) % 10
    counts = torch.tensor([(labels[held_out(1000, 100, "trial", k)[1]] == 3).sum().item() for k in range(300)]).float()
    assert abs(counts.mean().item() - 10) < 0.6
    assert 5 < counts.var().item() < 11.5  # 8.1 expected; 0 where classes are kept in proportion
