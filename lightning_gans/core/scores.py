"""Every metric's newest and best value, and when; what a run's summary says."""

from dataclasses import asdict, dataclass
from typing import Any

from lightning_gans.metrics.names import better


@dataclass
class Score:
    """One metric over a run: values in the metric's own unit, iterations counted from 1."""

    last: float
    best: float
    best_iteration: int


class Scores:
    """Newest and best value of each metric by name; plain state for checkpoints and summaries."""

    def __init__(self) -> None:
        self._scores: dict[str, Score] = {}

    def record(self, values: dict[str, float], iteration: int) -> None:
        """Take in the values measured after `iteration` iterations."""
        for name, value in values.items():
            score = self._scores.get(name)
            if score is None or better(name, value, score.best):
                self._scores[name] = Score(value, value, iteration)
            else:
                score.last = value

    def is_best(self, name: str, iteration: int) -> bool:
        """Whether the best value of `name` so far was measured after `iteration` iterations."""
        return name in self._scores and self._scores[name].best_iteration == iteration

    def __contains__(self, name: str) -> bool:
        return name in self._scores

    def __getitem__(self, name: str) -> Score:
        return self._scores[name]

    def state_dict(self) -> dict[str, dict[str, Any]]:
        return {name: asdict(score) for name, score in self._scores.items()}

    def load_state_dict(self, state: dict[str, dict[str, Any]]) -> None:
        self._scores = {name: Score(**score) for name, score in state.items()}
