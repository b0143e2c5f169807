"""Accuracy of a model that classifies."""

from lightning_gans.core.data import Data, SampleSplit, SplitName
from lightning_gans.core.protocols import Classifies
from lightning_gans.evaluation.measures import metric
from lightning_gans.evaluation.splits import domains_of, held_out, read


@metric("test_accuracy", better="higher", help="accuracy on the test split", needs=Classifies)
def classification(model: Classifies, data: Data, split: SplitName) -> float | None:
    """Share of the split's samples whose likeliest class is their label; data of two domains have one for each."""
    samples = None if domains_of(data) is not None else held_out(data, split)
    return None if samples is None or samples.labels is None else share_right(model, samples)


def share_right(model: Classifies, samples: SampleSplit) -> float:
    """The share of labelled samples whose likeliest class is their label, 0 to 1."""
    right = 0
    for batch in read(samples):
        assert batch.label is not None
        right += int((model.classify(batch.x).argmax(1).cpu() == batch.label.cpu()).sum())
    return right / len(samples)
