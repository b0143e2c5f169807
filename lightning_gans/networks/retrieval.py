"""Networks that score documents for queries (IRGAN)."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from lightning_gans.settings import Count, NonNegative, Positive


class MatrixFactorisation(nn.Module):
    """Matrix factorisation score(q, d) = u_q . v_d + b_d; IRGAN's network for recommendation (geek-ai/irgan).

    query: (N,) int64 numbers -> (N, documents).

    Args:
        queries: number of queries.
        documents: number of documents.
        dim: length of the factors u and v.
        initial: bound of the initial factors, U(-initial, initial); b begins as 0.
    """

    described: ClassVar[bool] = False

    def __init__(self, *, queries: Count, documents: Count, dim: Count = 5, initial: NonNegative = 0.05) -> None:
        super().__init__()
        self.query = nn.Embedding(queries, dim)
        self.document = nn.Linear(dim, documents)  # its rows are v, its bias is b
        nn.init.uniform_(self.query.weight, -initial, initial)
        nn.init.uniform_(self.document.weight, -initial, initial)
        nn.init.zeros_(self.document.bias)

    def forward(self, query: Tensor) -> Tensor:
        score: Tensor = self.document(self.query(query))
        return score

    def pairs(self, query: Tensor, document: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of the given documents only, (|v_d|^2 + b_d^2) / 2 and |u_q|^2 / 2 (`ScoresPairs`)."""
        u = self.query(query)[:, None]
        v, b = embedding(document, self.document.weight), self.document.bias[document]
        return (u * v).sum(2) + b, (v.square().sum(2) + b.square()) / 2, u.square().sum(2) / 2


class FeatureScorer(nn.Module):
    """Feature scorer with one hidden layer of tanh; IRGAN's network for LETOR.

    query: features (N, M, features) -> (N, M).

    Args:
        features: numbers that describe a pair of query and document; LETOR 4.0 has 46.
        width: number of hidden units; as many as features in the paper's code.
        std: standard deviation of all initial weights, N(0, std^2) cut at two deviations; biases begin as 0.
    """

    described: ClassVar[bool] = True

    def __init__(self, *, features: Count = 46, width: Count = 46, std: Positive = 0.1) -> None:
        super().__init__()
        self.hidden = nn.Linear(features, width)
        self.output = nn.Linear(width, 1)
        for layer in (self.hidden, self.output):
            nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor) -> Tensor:
        score: Tensor = self.output(torch.tanh(self.hidden(query))).squeeze(-1)
        return score
