"""Accuracy of a model that classifies."""

from typing import Any

from torch import nn

from lightning_gans.core.protocols import Classifies
from lightning_gans.evaluation.splits import domains_of, held_out, read


def classification(model: nn.Module, data: Any, split: str) -> dict[str, float]:
    """`test_accuracy`: the share of the split's samples whose likeliest class is their label."""
    if not isinstance(model, Classifies) or domains_of(data) is not None:  # of domains, each has an accuracy of its own
        return {}
    samples = held_out(data, split)
    if samples.labels is None:
        return {}
    return {"test_accuracy": share_right(model, samples)}


def share_right(model: Classifies, samples: Any) -> float:
    """The share of labelled samples, a data module's split, whose likeliest class is their label, 0 to 1."""
    right = sum(int((model.classify(b.x).argmax(1).cpu() == b.label.cpu()).sum()) for b in read(samples))
    return right / len(samples)
