"""What ranks documents."""

from typing import ClassVar

from torch import Tensor, nn

from lightning_gans.models.generative import evaluating


class RankingModel(nn.Module):
    """A network's scores as a ranking; IRGAN's p(d | q) is their softmax.

    Args:
        generator: queries (N, ...) -> scores (N, documents).
    """

    role: ClassVar[str] = "ranking"

    def __init__(self, *, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, query: Tensor) -> Tensor:
        """(N, ...) -> (N, documents)."""
        score: Tensor = self.generator(query)
        return score

    def score(self, query: Tensor) -> Tensor:
        """Scores in eval mode and without a graph: (N, ...) -> (N, documents)."""
        like = next(self.parameters())
        with evaluating(self):
            return self(query.to(like) if query.is_floating_point() else query.to(like.device))  # type: ignore[no-any-return]

    def best(self, query: Tensor, n: int) -> Tensor:
        """Numbers of the n best documents, best first: (N, ...) -> (N, n) int64."""
        return self.score(query).topk(n, dim=1).indices


class FixedRanking(nn.Module):
    """The same scores for every query: popularity, for one.

    Args:
        scores: (documents,).
    """

    def __init__(self, scores: Tensor) -> None:
        super().__init__()
        self.register_buffer("scores", scores)

    scores: Tensor

    def score(self, query: Tensor) -> Tensor:
        """(N, ...) -> (N, documents)."""
        return self.scores.expand(len(query), -1)
