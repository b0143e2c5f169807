"""Ranking of documents: precision, NDCG, MAP and MRR over held-out queries."""

from typing import Any

import torch
from torch import Tensor, nn

from lightning_gans.core.protocols import Ranks
from lightning_gans.evaluation.splits import read
from lightning_gans.metrics.ranking import MEASURES, ranking_scores

READ = 64  # queries ranked at a time
VALIDATION = 500  # queries that are looked at while training goes on


def ranking(model: nn.Module, data: Any, split: str) -> dict[str, float]:
    """Precision, NDCG, MAP and MRR over all documents but the query's training positives; means over queries."""
    if not isinstance(model, Ranks):
        return {}
    part = data.split(split)
    part = part if split == "test" else part.at_most(VALIDATION)
    found: dict[str, list[Tensor]] = {name: [] for name in MEASURES}
    for batch in read(part, READ):
        for name, values in ranking_scores(model.score(batch.query).cpu(), batch.relevant, batch.candidate).items():
            found[name].append(values)
    return {name: torch.cat(values).mean().item() for name, values in found.items()}
