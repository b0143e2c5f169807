import math

import pytest
import torch

from lightning_gans.metrics.names import METRICS
from lightning_gans.metrics.ranking import SCORES, ranking_scores


def test_by_hand():
    scores = torch.tensor([[9.0, 8.0, 7.0, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, -1.0, -2.0]]) - 8.5  # below 0 as above
    relevant = torch.zeros(1, 12, dtype=torch.bool)
    relevant[0, [1, 3, 11]] = True
    found = {name: value.item() for name, value in ranking_scores(scores, relevant, torch.ones_like(relevant)).items()}
    gain = [1 / math.log2(place + 1) for place in range(1, 13)]
    assert found == pytest.approx(
        {
            "precision_at_3": 1 / 3,
            "precision_at_5": 2 / 5,
            "precision_at_10": 2 / 10,
            "ndcg_at_3": gain[1] / sum(gain[:3]),
            "ndcg_at_5": (gain[1] + gain[3]) / sum(gain[:3]),
            "ndcg_at_10": (gain[1] + gain[3]) / sum(gain[:3]),
            "map": (1 / 2 + 2 / 4 + 3 / 12) / 3,
            "mrr": 1 / 2,
        },
        abs=1e-6,
    )


def test_only_candidates_are_ranked_and_queries_without_an_answer_left_out():
    scores = torch.tensor([[5.0, 4.0, 3.0], [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    relevant = torch.tensor([[False, True, False], [False, False, False], [False, False, True]])
    candidate = torch.tensor([[False, True, True], [True, True, True], [True, True, False]])
    found = ranking_scores(scores, relevant, candidate)
    assert {name: value.tolist() for name, value in found.items() if name in ("mrr", "map")} == {"mrr": [1], "map": [1]}
    assert found["precision_at_5"].tolist() == pytest.approx([1 / 5])


def test_every_one_has_a_name():
    assert set(SCORES) <= set(METRICS)
