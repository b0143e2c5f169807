"""Events of a run that callbacks act on: intervals, and evaluations with their evidence."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from torch import Tensor


class Evidence(NamedTuple):
    """Evidence of one evaluation: scores, features and class probabilities of the samples, and scores of real data.

    scores: metric values by name, with their standard errors as `<name>_se`.
    features, probabilities: of the generated samples, (n, d) and (n, K) or None, in the order of their global index;
        None where nothing is generated.
    real: features of held-out real samples, (m, d).
    floor: scores of held-out real samples in place of generated ones: means over draws, and as `<name>_se` the
        standard deviation.
    suffix: suffix in the names of feature-based metrics, such as "_classifier".
    """

    scores: dict[str, float]
    features: Tensor | None = None
    probabilities: Tensor | None = None
    real: Tensor | None = None
    floor: Mapping[str, float] = MappingProxyType({})
    suffix: str = ""


@runtime_checkable
class EvaluationListener(Protocol):
    """Protocol of callbacks that are called after every evaluation, on every rank."""

    def on_evaluation(self, trainer: Any, game: Any, evidence: Evidence) -> None: ...


def due(game: Any, every: int) -> bool:
    """Return True after every `every` iterations and after the last one."""
    return bool(game.iteration % every == 0 or game.iteration == game.iterations)
