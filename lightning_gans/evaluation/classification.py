"""Accuracy of a model that classifies."""

from lightning_gans.core.data import Data, SampleSplit, SplitName
from lightning_gans.core.protocols import Classifies
from lightning_gans.evaluation.measures import higher, measure
from lightning_gans.evaluation.splits import domains_of, held_out, read
from lightning_gans.metrics.estimate import Estimate, share


@measure(
    higher(
        "accuracy", "accuracy on held-out samples: of the validation split in training, of the test split at the end"
    ),
    needs=Classifies,
)
def classification(model: Classifies, data: Data, split: SplitName) -> dict[str, Estimate]:
    """Share of the split's samples whose likeliest class is their label; data of two domains have one for each."""
    samples = None if domains_of(data) is not None else held_out(data, split)
    if samples is None or samples.labels is None:
        return {}
    return {"accuracy": share_right(model, samples)}


def share_right(model: Classifies, samples: SampleSplit) -> Estimate:
    """The share of labelled samples whose likeliest class is their label, 0 to 1."""
    right = 0
    for batch in read(samples):
        assert batch.label is not None
        right += int((model.classify(batch.x).argmax(1).cpu() == batch.label.cpu()).sum())
    return share(right, len(samples))
