"""The running record of a game: means of loss terms between two readings, and whether all gradients were finite."""

from collections import defaultdict

import torch
from torch import Tensor

from lightning_gans.core.divergence import Trail
from lightning_gans.core.errors import Diverged
from lightning_gans.strategies.exchange import average


class Record:
    """Sums on the device; one transfer at a reading, none in between.

    Attributes:
        trail: what to look at if a reading finds a divergence.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._checks: dict[str, list[tuple[int, Tensor]]] = defaultdict(list)
        self.trail = Trail()

    def add(self, name: str, value: Tensor) -> Tensor:
        """Count a scalar towards the mean of `name`; the scalar without its graph."""
        value = value.detach()
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] += 1
        return value

    def check(self, player: str, iteration: int, value: Tensor) -> None:
        """Remember a scalar that has to be finite."""
        self._checks[player].append((iteration, value))

    def read(self) -> dict[str, float]:
        """The means since the last reading, over all ranks; every rank calls it.

        Raises:
            Diverged: a checked value was NaN or infinite on any rank; says what was so first.
        """
        checks = [(player, iteration) for player, kept in self._checks.items() for iteration, _ in kept]
        values = [value for kept in self._checks.values() for _, value in kept]
        names = list(self._sums)
        kept = [value.float() for value in [*values, *self._sums.values()]]
        flat = average(torch.stack(kept)).tolist() if kept else []
        counts = [self._counts[name] for name in names]
        self._sums, self._counts, self._checks = {}, defaultdict(int), defaultdict(list)
        bad = [check for check, value in zip(checks, flat, strict=False) if not abs(value) < float("inf")]
        if bad:
            player, iteration = min(bad, key=lambda check: check[1])
            raise self.trail.explain() or Diverged(
                f"The loss or gradient of player {player} became NaN or infinite at iteration {iteration + 1}.",
                player=player,
            )
        self.trail.clear()
        sums = flat[len(checks) :]
        return {name: total / count for name, total, count in zip(names, sums, counts, strict=True)}
