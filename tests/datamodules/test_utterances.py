import pytest
import torch

from datamodules.utterances import SpeechData, Utterances
from lightning_gans.core.batches import UtteranceBatch

SPEAKERS = torch.tensor([0] * 2 + [1] * 5 + [2] * 3)


class Numbered(SpeechData):
    """Segments that hold their own number."""

    fingerprint = "numbered"
    speaker_names = ("a", "b", "c")
    labelled = True

    def __init__(self, **settings):
        super().__init__(**{"batch_size": 12, "sample_rate": 8000, "mels": 8, "frames": 4} | settings)

    def read(self):
        x = torch.arange(10.0)[:, None, None].expand(10, 8, 4).clone()
        source = Utterances(x, torch.arange(10) % 4 if self.labelled else None, SPEAKERS)
        return dict.fromkeys(("train", "validation", "test"), source)


def numbers(x):
    return x[:, 0, 0].long()


def batches(data=None, n=40, **options):
    return list((data or Numbered()).iteration_batches(0, n, seed=3, **options))


def test_a_partner_is_another_utterance_of_the_same_speaker():
    pairs = set()
    for batch in batches():
        assert isinstance(batch, UtteranceBatch)
        x, partner, other = (numbers(column) for column in (batch.x, batch.partner, batch.other))
        assert torch.equal(SPEAKERS[x], batch.speaker)
        assert torch.equal(x % 4, batch.label)
        assert torch.equal(SPEAKERS[partner], batch.speaker)
        assert (partner != x).all()
        assert (SPEAKERS[other] != batch.speaker).all()
        pairs |= {("same", *pair) for pair in zip(x.tolist(), partner.tolist(), strict=True)}
        pairs |= {("other", *pair) for pair in zip(x.tolist(), other.tolist(), strict=True)}
    everyone = range(10)
    possible = {("same" if SPEAKERS[a] == SPEAKERS[b] else "other", a, b) for a in everyone for b in everyone if a != b}
    assert pairs == possible


def test_batches_do_not_depend_on_where_they_begin_or_on_the_number_of_processes():
    whole = batches()
    later = list(Numbered().iteration_batches(7, 9, seed=3))
    halves = [batches(rank=rank, world=2) for rank in range(2)]
    for column in range(len(whole[0])):
        assert torch.equal(later[0][column], whole[7][column])
        assert torch.equal(torch.cat([halves[0][5][column], halves[1][5][column]]), whole[5][column])
    other_seed = next(iter(Numbered().iteration_batches(0, 1, seed=4)))
    assert not torch.equal(other_seed.x, whole[0].x)


def test_what_is_said_may_be_unknown(monkeypatch):
    monkeypatch.setattr(Numbered, "labelled", False)
    assert batches(n=1)[0].label is None


def test_a_split_knows_its_speakers():
    split = Numbered().split("validation")
    assert torch.equal(split.speakers, SPEAKERS)
    few = split.at_most(4)
    (batch,) = few.batches(8)
    assert torch.equal(SPEAKERS[numbers(batch.x)], few.speakers)
    assert torch.equal(numbers(batch.x) % 4, few.labels)
    assert len(few.speakers) == 4


@pytest.mark.parametrize("key, value", [("frames", 3), ("mels", 2), ("sample_rate", 1000), ("batch_size", 0)])
def test_settings_that_do_not_fit(key, value):
    with pytest.raises(Exception, match=f"data.{key}={value} does not fit"):
        Numbered(**{key: value})
