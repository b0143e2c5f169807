"""95 % confidence intervals of the figures in a leaderboard."""

from dataclasses import dataclass
from math import sqrt
from typing import Literal

from experiments.trained.comparison import Stats

LEVEL = 0.95
NORMAL = 1.96


@dataclass(frozen=True)
class Interval:
    """Half the width of an interval around a mean, and what varies within it: seeds, or the samples of one run."""

    half: float
    over: Literal["seeds", "samples"]


def interval(stats: Stats) -> Interval | None:
    """Student's t over two or more seeds; 1.96 standard errors of one run's own figure; None where neither is known."""
    if stats.std is not None:
        from scipy.special import stdtrit  # a tenth of a second, and single runs do without

        t = float(stdtrit(stats.n - 1, 0.5 + LEVEL / 2))
        return Interval(t * stats.std / sqrt(stats.n), "seeds")
    return None if stats.error is None else Interval(NORMAL * stats.error, "samples")
