"""Ranking scores of a model over held-out queries."""

import pytest
import torch
from torch import nn

from lightning_gans.core.protocols import Ranks
from lightning_gans.evaluation.ranking import ranking
from lightning_gans.models.retrieval import FixedRanking, RankingModel
from lightning_gans.networks.retrieval import MatrixFactorisation
from tests.callbacks.test_rankings import data


def test_a_ranking_is_measured_over_candidates():
    model = FixedRanking(torch.tensor([9.0, 4.0, 3.0, 2.0, 1.0]))
    found = ranking(model, data(), "test")
    assert found["mrr"] == pytest.approx((3 + 1 / 3) / 4)
    assert found["precision_at_3"] == pytest.approx(1 / 3)
    assert found["precision_at_5"] == pytest.approx(1 / 5)
    assert ranking(nn.Linear(1, 1), data(), "test") == {}


def test_fewer_queries_are_looked_at_while_training_goes_on(monkeypatch):
    monkeypatch.setattr("lightning_gans.evaluation.ranking.VALIDATION", 0)
    assert len(data(700).split("x").at_most(500)) == 500
    seen = data(2)
    monkeypatch.setattr("lightning_gans.evaluation.ranking.VALIDATION", 1)
    values = {
        ranking(FixedRanking(torch.tensor([9.0, 4.0, 3.0, 2.0, 1.0])), seen, name)["mrr"]
        for name in ("validation", "test")
    }
    assert len(values) == 2


def test_a_model_ranks_in_eval_mode_and_leaves_out_nothing():
    model = RankingModel(generator=MatrixFactorisation(queries=3, documents=5, initial=1.0)).train()
    assert isinstance(model, Ranks)
    scores = model.score(torch.tensor([2, 0]))
    assert scores.shape == (2, 5)
    assert not scores.requires_grad
    assert model.training
    assert torch.equal(model.best(torch.tensor([2]), 2), scores[:1].topk(2).indices)
