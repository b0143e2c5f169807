"""95 % confidence intervals of the figures in a leaderboard."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from experiments.trained.comparison import Stats

LEVEL = 0.95
NORMAL = 1.96


@dataclass(frozen=True)
class Interval:
    """Half-width of a confidence interval around a mean, and the source of variation: seeds, or samples of one run."""

    half: float
    over: Literal["seeds", "samples"]


def interval(stats: Stats) -> Interval | None:
    """Return Student's t interval over two or more seeds, or 1.96 standard errors of one run; None if unknown."""
    if stats.std is not None:
        from scipy.special import stdtrit  # slow to import (0.1 s), and not needed for single runs

        t = float(stdtrit(stats.n - 1, 0.5 + LEVEL / 2))
        return Interval(t * stats.std / sqrt(stats.n), "seeds")
    return None if stats.error is None else Interval(NORMAL * stats.error, "samples")
