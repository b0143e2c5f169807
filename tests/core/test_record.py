import pytest
import torch

from lightning_gans.core.errors import Diverged
from lightning_gans.core.record import Record


def test_means_since_the_last_reading():
    record = Record()
    for value in (1.0, 2.0, 6.0):
        record.add("D/real", torch.tensor(value, requires_grad=True))
    record.add("G/loss", torch.tensor(-1.0, dtype=torch.float64))
    assert record.read() == {"D/real": 3.0, "G/loss": -1.0}
    assert record.read() == {}
    record.add("D/real", torch.tensor(8.0))
    assert record.read() == {"D/real": 8.0}


def test_a_sum_does_not_change_what_was_added():
    record, value = Record(), torch.tensor(1.0)
    record.add("D/real", value)
    record.add("D/real", torch.tensor(2.0))
    assert value == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_the_first_player_to_go_wrong_is_named(bad):
    record = Record()
    for iteration, (d, g) in enumerate([(1.0, 1.0), (1.0, bad), (bad, bad)]):
        record.check("D", iteration, torch.tensor(d))
        record.check("G", iteration, torch.tensor(g))
    with pytest.raises(Diverged, match=r"player G became NaN or infinite at iteration 2\."):
        record.read()


def test_a_look_at_the_checks_leaves_the_means():
    record = Record()
    record.add("D/real", torch.tensor(1.0))
    record.check("D", 0, torch.tensor(1.0))
    record.verify()
    record.add("D/real", torch.tensor(3.0))
    assert record.read() == {"D/real": 2.0}
    record.check("D", 1, torch.tensor(float("nan")))
    with pytest.raises(Diverged, match="iteration 2"):
        record.verify()


def test_means_go_on_from_a_checkpoint():
    straight, before, after = Record(), Record(), Record()
    for value in (0.1, 0.2, 0.7):
        straight.add("D/real", torch.tensor(value))
        before.add("D/real", torch.tensor(value))
    after.load_state_dict(before.state_dict())
    for record in (straight, after):
        record.add("D/real", torch.tensor(0.4))
    assert after.read() == straight.read()


def test_means_of_two_ranks_go_on_with_one():
    record = Record()
    sums = [{"D/real": torch.tensor(2.0)}, {"D/real": torch.tensor(6.0)}]
    record.load_state_dict({"sums": sums, "counts": {"D/real": 2}})
    assert record.read() == {"D/real": 2.0}


def test_finite_checks_and_infinite_means_are_no_divergence():
    record = Record()
    record.check("D", 0, torch.tensor(1e30))
    record.add("D/monitored", torch.tensor(float("inf")))
    assert record.read() == {"D/monitored": float("inf")}
