"""Ranking scores: precision, NDCG, average precision, reciprocal rank."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torchmetrics.functional.retrieval import (
    retrieval_average_precision,
    retrieval_normalized_dcg,
    retrieval_precision,
    retrieval_reciprocal_rank,
)

CUTS = (3, 5, 10)

SCORES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    **{f"precision_at_{k}": partial(retrieval_precision, top_k=k) for k in CUTS},
    **{f"ndcg_at_{k}": partial(retrieval_normalized_dcg, top_k=k) for k in CUTS},
    "map": retrieval_average_precision,
    "mrr": retrieval_reciprocal_rank,
}


def ranking_scores(scores: Tensor, relevant: Tensor, candidate: Tensor) -> dict[str, Tensor]:
    """Compute retrieval metrics of torchmetrics for each query, (n,) float64, by their names in `metrics.names`.

    Only candidates are ranked. Queries without relevant documents are left out, so n <= N. `precision_at_k` divides by
    k even if there are fewer candidates. Equal scores are ranked in the order of the documents.

    Args:
        scores: (N, M), higher is ranked first.
        relevant, candidate: (N, M) bool.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in SCORES}
    for row, true, ranked in zip(scores, relevant & candidate, candidate, strict=True):
        if true.any():
            # ranks, not scores: torchmetrics treats a score below 0 as "not retrieved", and ours have any sign
            ordered = true[ranked][row[ranked].argsort(descending=True, stable=True)]
            places = torch.arange(len(ordered), 0, -1, dtype=torch.float)
            for name, measure in SCORES.items():
                found[name].append(measure(places, ordered))
    return {name: torch.stack(values).double() if values else torch.empty(0) for name, values in found.items()}
