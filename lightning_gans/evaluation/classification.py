"""Accuracy of classifiers."""

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
    """Accuracy: share of the split's samples whose most likely class is their label; for data of two domains, of each.

    Attributes:
        labels: number of labelled validation samples for evaluations in training; they select best.ckpt if accuracy
            does. None if accuracy is not measured.
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
    """Return the samples of a split for accuracy; None if they have no labels, or are of two domains."""
    samples = None if domains_of(data) is not None else held_out(data, split)
    return None if samples is None or samples.labels is None else samples


def share_right(model: Classifies, samples: SampleSplit) -> Estimate:
    """Share of labelled samples whose most likely class is their label, 0 to 1."""
    right = 0
    for batch in read(samples):
        assert batch.label is not None
        right += int((model.classify(batch.x).argmax(1).cpu() == batch.label.cpu()).sum())
    return share(right, len(samples))
