"""Scores of a run: the newest and the best value of every metric, and the iteration of the best."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lightning_gans.metrics.names import Better, is_better, metric


@dataclass
class Score:
    """Score: one metric over a run, values with their standard errors, iterations counted from 1."""

    last: float
    best: float
    best_iteration: int
    better: Better
    last_se: float | None = None
    best_se: float | None = None


class Scores:
    """Newest and best value of each metric by name; plain state for checkpoints and summaries."""

    def __init__(self) -> None:
        self._scores: dict[str, Score] = {}

    def record(self, values: Mapping[str, float], iteration: int, errors: Mapping[str, float] | None = None) -> None:
        """Record the values measured after `iteration` iterations, with their standard errors if known.

        Raises:
            ValueError: a metric that is not declared.
        """
        for name, value in values.items():
            better, error = metric(name).better, (errors or {}).get(name)
            score = self._scores.get(name)
            if score is None or is_better(better, value, score.best):
                self._scores[name] = Score(value, value, iteration, better, error, error)
            else:
                score.last, score.last_se = value, error

    def rename(self, names: Mapping[str, str]) -> None:
        """Give the metrics of an earlier version their present names: earlier -> present."""
        self._scores = {names.get(name, name): score for name, score in self._scores.items()}

    def is_best(self, name: str, iteration: int) -> bool:
        """Return True if the best value of `name` so far was measured after `iteration` iterations."""
        return name in self._scores and self._scores[name].best_iteration == iteration

    def __contains__(self, name: str) -> bool:
        return name in self._scores

    def __getitem__(self, name: str) -> Score:
        return self._scores[name]

    def state_dict(self) -> dict[str, dict[str, Any]]:
        return {
            name: {key: value for key, value in asdict(score).items() if value is not None}
            for name, score in self._scores.items()
        }

    def load_state_dict(self, state: dict[str, dict[str, Any]]) -> None:
        # Checkpoints of version 0.1.0 hold no direction; all their metrics belong to this package.
        self._scores = {
            name: Score(**(score if "better" in score else score | {"better": metric(name).better}))
            for name, score in state.items()
        }
