"""Running means of loss terms between two readings, and the check that all gradients were finite."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lightning_gans.core.divergence import Trail
from lightning_gans.core.errors import Diverged
from lightning_gans.strategies.exchange import average, from_all, processes, rank


class Record:
    """Running means, summed on the device with one transfer for each reading; part of a checkpoint.

    Attributes:
        trail: events that are searched if a reading finds a divergence.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._checks: dict[str, list[tuple[int, Tensor]]] = defaultdict(list)
        self.trail = Trail()

    def add(self, name: str, value: Tensor) -> Tensor:
        """Add a scalar to the mean of `name`; return the scalar without its graph."""
        value = value.detach()
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] += 1
        return value

    def check(self, player: str, iteration: int, value: Tensor) -> None:
        """Record a scalar that must be finite."""
        self._checks[player].append((iteration, value))

    def verify(self) -> None:
        """Check the scalars recorded since the last check, over all ranks; keep the means. Every rank calls it.

        Raises:
            Diverged: one of them was NaN or infinite on any rank; the message names the first.
        """
        checks = [(player, iteration) for player, kept in self._checks.items() for iteration, _ in kept]
        values = _averages([value for kept in self._checks.values() for _, value in kept])
        self._checks = defaultdict(list)
        bad = [check for check, value in zip(checks, values, strict=True) if not abs(value) < float("inf")]
        if bad:
            player, iteration = min(bad, key=lambda check: check[1])
            raise self.trail.explain() or Diverged(
                f"The loss or gradient of player {player} became NaN or infinite at iteration {iteration + 1}.",
                player=player,
            )
        self.trail.clear()

    def read(self) -> dict[str, float]:
        """Return the means since the last reading, over all ranks; every rank calls it.

        Raises:
            Diverged: as `verify`.
        """
        self.verify()
        totals = _averages(list(self._sums.values()))
        means = {name: total / self._counts[name] for name, total in zip(self._sums, totals, strict=True)}
        self._sums, self._counts = {}, defaultdict(int)
        return means

    def state_dict(self) -> dict[str, Any]:
        """Return the sums and counts of each rank since the last reading. Every rank calls it."""
        sums = from_all({name: value.cpu() for name, value in self._sums.items()})
        return {"sums": sums, "counts": dict(self._counts)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the sums; the number of ranks may differ."""
        sums: list[dict[str, Tensor]] = state["sums"]
        if len(sums) == processes():
            self._sums = dict(sums[rank()])
        else:
            self._sums = {name: torch.stack([part[name] for part in sums]).mean(0) for name in sums[0]}
        self._counts = defaultdict(int, state["counts"])

    def to(self, device: torch.device) -> None:
        """Accumulate on `device` from now on."""
        self._sums = {name: value.to(device) for name, value in self._sums.items()}


def _averages(values: list[Tensor]) -> list[float]:
    """Return the mean of each scalar over all ranks, in one transfer."""
    if not values:
        return []
    found: list[float] = average(torch.stack([value.float() for value in values])).tolist()
    return found
