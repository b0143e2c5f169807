"""Domain adaptation: accuracy in the source and the target domain, and the features of both."""

from collections.abc import Mapping
from math import hypot

import torch
from torch import Tensor

from lightning_gans.core.data import Data, SplitName
from lightning_gans.core.protocols import Classifies, TellsDomains
from lightning_gans.evaluation.classification import share_right
from lightning_gans.evaluation.measures import higher, lower, measure
from lightning_gans.evaluation.splits import READ, domains_of, held_out, read
from lightning_gans.metrics.estimate import Estimate, mean, share

POINTS = 500  # points of each domain in a picture


@measure(
    higher("source_accuracy", "accuracy on the held-out part of the source domain"),
    higher("target_accuracy", "accuracy on the held-out part of the target domain"),
    lower("domain_accuracy", "accuracy of the domain classifier on the features: chance means they are aligned"),
    higher(
        "target_information",
        "mutual information of target samples and their predicted class, in nats: chooses a checkpoint without labels",
    ),
    needs=Classifies,
)
def adaptation(model: Classifies, data: Data, split: SplitName) -> dict[str, Estimate]:
    """`source_accuracy` and `target_accuracy` of labels, and `domain_accuracy` of domains, which have equal weights.

    `target_information` uses no labels (see `information`). A domain without labels, or with another number of classes
    than the model, has no accuracy.
    """
    parts = domains_of(data)
    if parts is None:
        return {}
    scores: dict[str, Estimate] = {}
    for name, part in parts.items():
        asked = held_out(part, split)
        if asked.labels is not None and part.classes is not None and len(part.classes) == model.classes:
            scores[f"{name}_accuracy"] = share_right(model, asked)
    target = held_out(parts["target"], split)
    scores["target_information"] = information(torch.cat([model.classify(b.x).cpu() for b in read(target)]))
    if isinstance(model, TellsDomains):
        shares: list[Estimate] = []
        for number, part in enumerate(parts.values()):
            asked = held_out(part, split)
            right = sum(int((model.domain(b.x).argmax(1) == number).sum()) for b in read(asked))
            shares.append(share(right, len(asked)))
        average = sum(found.value for found in shares) / 2
        scores["domain_accuracy"] = Estimate(average, hypot(*(found.error for found in shares)) / 2)
    return scores


def information(probabilities: Tensor) -> Estimate:
    """Mutual information I(x; y) = H(mean of p) - mean of H(p) of class probabilities p (N, K), in nats.

    The maximum, log K, means that every sample has one class with certainty, and every class as many samples. It is
    also the mean divergence KL(p || mean of p), whose standard error over the samples is returned.
    """
    p = probabilities.double()
    average = p.mean(0, keepdim=True)
    return mean((torch.xlogy(p, p) - torch.xlogy(p, average)).sum(1))


def features_of(
    model: TellsDomains, parts: Mapping[str, Data], *, points: int = POINTS
) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, f) of held-out samples of both domains, their domain (N,) and label (N,), -1 without a label."""
    features, domain, label = [], [], []
    for number, part in enumerate(parts.values()):
        for batch in part.split("validation").at_most(points).batches(READ):
            features.append(model.features(batch.x).float().cpu())
            domain.append(torch.full((len(batch.x),), number))
            label.append(torch.full((len(batch.x),), -1) if batch.label is None else batch.label.cpu())
    return torch.cat(features), torch.cat(domain), torch.cat(label)
