"""Measures beside sample quality: reconstruction error, representation probes, codes, likelihood."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lightning_gans.core.protocols import Categorises, Encodes, Evaluates, Reconstructs
from lightning_gans.core.rng import stream_seed
from lightning_gans.evaluation.classification import classification
from lightning_gans.evaluation.ranking import ranking
from lightning_gans.evaluation.splits import held_out, read, train_part
from lightning_gans.metrics.representation import (
    category_accuracy,
    category_classes,
    linear_probe_accuracy,
    nearest_neighbour_accuracy,
    normalised_mutual_information,
)

LIKELIHOODS = 500  # held-out samples whose density is estimated while training goes on
IMPORTANCE_SAMPLES = {"validation": 64, "test": 128}  # codes for each


class Measure(Protocol):
    """Numbers of an evaluated model on the held-out samples of `data`; the same on every rank.

    split: "validation", while training goes on, or "test". A model it does not apply to gives none.
    """

    def __call__(self, model: nn.Module, data: Any, split: str) -> dict[str, float]: ...


@runtime_checkable
class Prepares(Protocol):
    """A measure that needs more than a model and its data, such as an extractor."""

    def prepare(self, model: nn.Module, data: Any, device: torch.device) -> None:
        """Called once, before the first measurement; refuses with a UserError."""

    def floor(self, split: str) -> dict[str, float]:
        """What a perfect model would score."""

    def facts(self) -> dict[str, Any]:
        """What the numbers are of: extractor, reference."""


def reconstruction(model: nn.Module, data: Any, split: str) -> dict[str, float]:
    """`reconstruction_mse`, and `reconstruction_ratio` of it to the error between random pairs of samples."""
    if not isinstance(model, Reconstructs):
        return {}
    error, count = 0.0, 0
    total = squares = torch.zeros(())
    for batch in read(held_out(data, split)):
        x = batch.x.double()
        error += (model.reconstruct(batch.x).to(x) - x).square().sum().item()
        total, squares, count = total + x.sum(0), squares + x.square().sum(0), count + len(x)
    numbers = total.numel()
    between = 2 * (squares / count - (total / count).square()).mean().item()  # of independent pairs: twice the variance
    mse = error / (count * numbers)
    return {"reconstruction_mse": mse, "reconstruction_ratio": mse / max(between, 1e-12)}


def representation(model: nn.Module, data: Any, split: str) -> dict[str, float]:
    """1-NN and linear-probe accuracy of the encoder's last hidden layer, and of the code; fitted to train."""
    train, test = train_part(data, split), held_out(data, split)
    if not isinstance(model, Encodes) or train.labels is None or test.labels is None:
        return {}
    (features, codes), (test_features, test_codes) = _encoded(model, train), _encoded(model, test)
    scores = {}
    for prefix, known, asked in (("", features, test_features), ("code_", codes, test_codes)):
        arguments = known, train.labels.cpu(), asked, test.labels.cpu()
        scores[f"{prefix}knn_accuracy"] = nearest_neighbour_accuracy(*arguments)
        scores[f"{prefix}probe_accuracy"] = linear_probe_accuracy(*arguments)
    return scores


def _encoded(model: Encodes, split: Any) -> tuple[Tensor, Tensor]:
    parts = [(model.features(batch.x).float(), model.encode(batch.x).float()) for batch in read(split)]
    features, codes = zip(*parts, strict=True)
    return torch.cat(features), torch.cat(codes)


def categories(model: nn.Module, data: Any, split: str) -> dict[str, float]:
    """`code_accuracy`, `code_classes` and `nmi` of a categorical code.

    A category stands for its commonest class in train.
    """
    train, test = train_part(data, split), held_out(data, split)
    if not isinstance(model, Categorises) or train.labels is None or test.labels is None:
        return {}
    known, asked = (torch.cat([model.category(b.x).cpu() for b in read(part)]) for part in (train, test))
    labels = test.labels.cpu()
    stands_for = category_classes(known, train.labels.cpu(), model.categories)
    return {
        "code_accuracy": category_accuracy(stands_for, asked, labels),
        "code_classes": float(len(stands_for[stands_for >= 0].unique())),
        "nmi": normalised_mutual_information(asked, labels),
    }


def likelihood(model: nn.Module, data: Any, split: str) -> dict[str, float]:
    """`nll`, the mean of -log p(x) in nats, importance-sampled."""
    if not isinstance(model, Evaluates):
        return {}
    total, count = 0.0, 0
    for batch in read(held_out(data, split, LIKELIHOODS)):
        found = model.log_likelihood(
            batch.x, samples=IMPORTANCE_SAMPLES[split], seed=stream_seed("likelihood", split), start=count
        )
        total -= found.sum().item()
        count += len(batch.x)
    return {"nll": total / count}


MEASURES: Sequence[Measure] = (reconstruction, representation, categories, likelihood, classification, ranking)
