"""Ranking of documents: precision, NDCG, MAP and MRR over held-out queries."""

import torch
from torch import Tensor

from lightning_gans.core.data import RetrievalData, SplitName
from lightning_gans.core.protocols import Ranks
from lightning_gans.evaluation.measures import higher, measure
from lightning_gans.evaluation.splits import read
from lightning_gans.metrics.estimate import Estimate, mean
from lightning_gans.metrics.ranking import SCORES, ranking_scores

READ = 64  # queries ranked at a time
VALIDATION = 500  # queries used during training


@measure(
    higher("precision_at_3", "share of relevant items among the first 3"),
    higher("precision_at_5", "share of relevant items among the first 5"),
    higher("precision_at_10", "share of relevant items among the first 10"),
    higher("ndcg_at_3", "normalised discounted cumulative gain of the first 3"),
    higher("ndcg_at_5", "normalised discounted cumulative gain of the first 5"),
    higher("ndcg_at_10", "normalised discounted cumulative gain of the first 10"),
    higher("map", "mean average precision"),
    higher("mrr", "mean reciprocal rank of the first relevant item"),
    needs=Ranks,
)
def ranking(model: Ranks, data: RetrievalData, split: SplitName) -> dict[str, Estimate]:
    """Precision, NDCG, MAP and MRR over all documents except the query's training positives; means over queries."""
    part = data.split(split)
    part = part if split == "test" else part.at_most(VALIDATION)
    found: dict[str, list[Tensor]] = {name: [] for name in SCORES}
    for batch in read(part, READ):
        for name, values in ranking_scores(model.score(batch.query).cpu(), batch.relevant, batch.candidate).items():
            found[name].append(values)
    return {name: mean(torch.cat(values)) for name, values in found.items()}
