"""What is measured of a model that classifies."""

from typing import Any

from torch import nn

from lightning_gans.callbacks.splits import READ, held_out
from lightning_gans.core.protocols import Classifies


def classification(model: nn.Module, data: Any, split: str) -> dict[str, float]:
    """`test_accuracy`: the share of the split's samples whose likeliest class is their label."""
    if not isinstance(model, Classifies) or hasattr(data, "parts"):  # of several parts, each is measured by itself
        return {}
    samples = held_out(data, split)
    if samples.labels is None:
        return {}
    found = [model.classify(batch.x).argmax(1).cpu() == batch.label for batch in samples.batches(READ)]
    return {"test_accuracy": sum(right.sum().item() for right in found) / sum(map(len, found))}
