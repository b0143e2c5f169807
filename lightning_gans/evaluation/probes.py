"""Probes of a representation: nearest neighbours and a linear probe on features and codes; categorical codes."""

import torch
from torch import Tensor

from lightning_gans.core.activity import activity
from lightning_gans.core.data import Data, SampleSplit, SplitName
from lightning_gans.core.protocols import Categorises, Encodes
from lightning_gans.evaluation.measures import higher, measure
from lightning_gans.evaluation.splits import held_out, read, train_part
from lightning_gans.metrics.estimate import Estimate, of_share
from lightning_gans.metrics.representation import (
    category_accuracy,
    category_classes,
    linear_probe_accuracy,
    nearest_neighbour_accuracy,
    normalised_mutual_information,
)


@measure(
    higher("knn_accuracy", "accuracy of nearest neighbours on the encoder's last hidden layer"),
    higher("probe_accuracy", "accuracy of a linear probe on the encoder's last hidden layer"),
    higher("code_knn_accuracy", "accuracy of nearest neighbours on codes"),
    higher("code_probe_accuracy", "accuracy of a linear probe on codes"),
    needs=Encodes,
)
def representation(model: Encodes, data: Data, split: SplitName) -> dict[str, Estimate]:
    """1-NN and linear-probe accuracy of the encoder's last hidden layer and of the code, fitted to the train split."""
    train, test = train_part(data, split), held_out(data, split)
    if train.labels is None or test.labels is None:
        return {}
    (features, codes), (test_features, test_codes) = _encoded(model, train), _encoded(model, test)
    scores = {}
    for prefix, of, known, asked in (("", "features", features, test_features), ("code_", "codes", codes, test_codes)):
        arguments = known, train.labels.cpu(), asked, test.labels.cpu()
        with activity(f"nearest neighbours of {of}") as report:
            found = nearest_neighbour_accuracy(*arguments, progress=report)
            scores[f"{prefix}knn_accuracy"] = of_share(found, len(asked))
        with activity(f"linear probe of {of}") as report:
            found = linear_probe_accuracy(*arguments, progress=report)
            scores[f"{prefix}probe_accuracy"] = of_share(found, len(asked))
    return scores


def _encoded(model: Encodes, split: SampleSplit) -> tuple[Tensor, Tensor]:
    """Features (N, d) and codes (N, m), written into preallocated tensors: a concatenation would double the memory."""
    found: list[Tensor] = []
    done = 0
    for batch in read(split):
        parts = model.features(batch.x).float(), model.encode(batch.x).float()
        found = found or [part.new_empty(len(split), *part.shape[1:]) for part in parts]
        for whole, part in zip(found, parts, strict=True):
            whole[done : done + len(part)] = part
        done += len(batch.x)
    features, codes = found
    return features, codes


@measure(
    higher("code_accuracy", "share of images whose class is found from the categorical code, codes matched to classes"),
    higher("code_classes", "classes that a category of the code stands for"),
    higher("nmi", "normalised mutual information of the categorical code and the classes"),
    needs=Categorises,
)
def categories(model: Categorises, data: Data, split: SplitName) -> dict[str, Estimate | float]:
    """`code_accuracy`, `code_classes` and `nmi` of a categorical code.

    The class of a category is the most frequent one of its training samples.
    """
    train, test = train_part(data, split), held_out(data, split)
    if train.labels is None or test.labels is None:
        return {}
    known, asked = (torch.cat([model.category(b.x).cpu() for b in read(part)]) for part in (train, test))
    labels = test.labels.cpu()
    stands_for = category_classes(known, train.labels.cpu(), model.categories)
    return {
        "code_accuracy": of_share(category_accuracy(stands_for, asked, labels), len(labels)),
        "code_classes": float(len(stands_for[stands_for >= 0].unique())),
        "nmi": normalised_mutual_information(asked, labels),
    }
