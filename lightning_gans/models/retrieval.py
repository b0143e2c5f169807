"""Models that rank documents for a query."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from lightning_gans.core.protocols import ScoresPairs
from lightning_gans.models.generative import evaluating
from lightning_gans.settings import Count


class RankingModel(nn.Module):
    """Ranking model: documents are ordered by a network's scores, whose softmax is IRGAN's p(d | q).

    Args:
        generator: queries (N, ...) -> scores (N, documents).
    """

    role: ClassVar[str] = "ranking"

    def __init__(self, *, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, query: Tensor) -> Tensor:
        """Score documents: (N, ...) -> (N, documents)."""
        score: Tensor = self.generator(query)
        return score

    def score(self, query: Tensor) -> Tensor:
        """Scores in eval mode and without a graph: (N, ...) -> (N, documents)."""
        like = next(self.parameters())
        with evaluating(self):
            return self(query.to(like) if query.is_floating_point() else query.to(like.device))  # type: ignore[no-any-return]

    def best(self, query: Tensor, n: int) -> Tensor:
        """Numbers (indices) of the n best documents, best first: (N, ...) -> (N, n) int64."""
        return self.score(query).topk(n, dim=1).indices


class FixedRanking(nn.Module):
    """Baseline ranking with the same scores for every query, such as popularity.

    Args:
        scores: (documents,).
    """

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.register_buffer("scores", scores)

    scores: Tensor

    def score(self, query: Tensor) -> Tensor:
        """Score documents: (N, ...) -> (N, documents)."""
        return self.scores.expand(len(query), -1)


class Lookup:
    """Lookup of a network's scores of some documents for each query.

    Args:
        network: queries (N, ...) -> scores (N, M).
        query: (N, ...).
    """

    def __init__(self, network: nn.Module, query: Tensor) -> None:
        self._network, self._query = network, query
        self._all = None if isinstance(network, ScoresPairs) else network(query)

    def __call__(self, document: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Document (N, S) -> scores and half the squared norms, as in `ScoresPairs`; norms are 0 without embeddings."""
        if self._all is None:
            return self._network.pairs(self._query, document)  # type: ignore[no-any-return, operator]
        scores = self._all.gather(1, document)
        return scores, torch.zeros_like(scores), torch.zeros_like(scores[:, :1])


class ItemNeighbours(nn.Module):
    """Item-based nearest neighbours (item-KNN): a document is scored by its cosines with the query's known documents.

    A cosine is between two documents' columns of `seen`. Each document counts as a neighbour of the `neighbours` others
    nearest to it (Deshpande and Karypis 2004, without the normalisation of the columns).

    Args:
        seen: (queries, documents) bool, the known positives.
        neighbours: number of neighbours of each document.
    """

    scores: Tensor

    def __init__(self, seen: Tensor, *, neighbours: Count = 50) -> None:
        super().__init__()
        x = seen.float()
        unit = normalize(x, dim=0)
        cosine = (unit.T @ unit).fill_diagonal_(0)
        least = cosine.topk(min(neighbours, len(cosine)), dim=1).values[:, -1:]
        self.register_buffer("scores", x @ cosine.masked_fill(cosine < least, 0.0))

    def score(self, query: Tensor) -> Tensor:
        """Score documents for query numbers: (N,) -> (N, documents)."""
        return self.scores[query.to(self.scores.device)]
