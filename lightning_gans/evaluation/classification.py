"""Accuracy of a model that classifies."""

from typing import Any

from torch import nn

from lightning_gans.core.data import Data, SampleSplit, SplitName
from lightning_gans.core.protocols import Classifies
from lightning_gans.evaluation.context import Context
from lightning_gans.evaluation.measures import higher, measure
from lightning_gans.evaluation.splits import domains_of, held_out, read
from lightning_gans.metrics.estimate import Estimate, share


@measure(
    higher(
        "accuracy", "accuracy on held-out samples: of the validation split in training, of the test split at the end"
    ),
    needs=Classifies,
)
class Classification:
    """Accuracy: share of the split's samples whose likeliest class is their label; one each for data of two domains.

    Attributes:
        labels: labelled validation samples that an evaluation in training reads; they choose best.ckpt where accuracy
            does. None where accuracy is not measured.
    """

    def __init__(self) -> None:
        self.labels: int | None = None

    def prepare(self, model: nn.Module, data: Data, context: Context) -> None:
        samples = _labelled(data, "validation") if isinstance(model, Classifies) and hasattr(data, "split") else None
        self.labels = None if samples is None else len(samples)

    def __call__(self, model: Classifies, data: Data, split: SplitName) -> dict[str, Estimate]:
        samples = _labelled(data, split)
        return {} if samples is None else {"accuracy": share_right(model, samples)}

    def floor(self, split: SplitName) -> dict[str, float]:
        return {}

    def facts(self) -> dict[str, Any]:
        return {} if self.labels is None else {"labels": self.labels}


def _labelled(data: Data, split: SplitName) -> SampleSplit | None:
    """The samples of a split that accuracy is measured on; None where they have no labels, or are of two domains."""
    samples = None if domains_of(data) is not None else held_out(data, split)
    return None if samples is None or samples.labels is None else samples


def share_right(model: Classifies, samples: SampleSplit) -> Estimate:
    """The share of labelled samples whose likeliest class is their label, 0 to 1."""
    right = 0
    for batch in read(samples):
        assert batch.label is not None
        right += int((model.classify(batch.x).argmax(1).cpu() == batch.label.cpu()).sum())
    return share(right, len(samples))
