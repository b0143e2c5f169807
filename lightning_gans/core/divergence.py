"""Finding the cause of a divergence: the batches, outputs, losses and gradients between two readings, in program order.

Nothing here waits for the device until a run has diverged. Small tensors are kept as they are, large ones as their
largest magnitude; `Trail.explain` looks for the first one that is not finite.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from functools import partial
from math import inf, isfinite, isnan
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lightning_gans.core.errors import Cause, Diverged
from lightning_gans.strategies.exchange import from_all

SMALL = 1024  # as many numbers take less time to keep than to reduce
KEPT = 10_000  # events, where nobody reads the losses
GROWTH = 1e5  # of the output of a network since training began, which makes it the cause of what follows


class Event(NamedTuple):
    """A tensor of an update that has to be finite.

    cause: "data", a field of the batch; "network", an output of a network of the player; "loss", a term of the player's
        loss; "gradient", the norm of the player's gradient.
    player, name: the player, or ""; the field's, the output's or the term's name.
    iteration, phase: the iteration, from 0, and the player whose update it was.
    """

    cause: Cause
    player: str
    name: str
    iteration: int
    phase: str
    value: Tensor

    def __str__(self) -> str:
        return {
            "data": f"the training batch ({self.name})",
            "network": f"the output of player {self.player}'s network",
            "loss": f"the loss term {self.player}/{self.name}",
            "gradient": f"the gradient of player {self.player}",
        }[self.cause]

    def magnitude(self) -> float:
        """The largest absolute value, NaN where there is one; waits for the device."""
        return torch.linalg.vector_norm(self.value.float(), inf).item() if self.value.numel() else 0.0


class Trail:
    """The events since the last reading of the losses."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._usual: dict[tuple[str, str], Tensor] = {}
        self._handles: list[RemovableHandle] = []
        self._iteration, self._phase = 0, ""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Trail":
        return Trail()  # copies of a network have its hooks

    def watch(self, players: Mapping[str, Iterable[nn.Module | nn.Parameter]]) -> None:
        """Note the outputs of the players' networks in every update, until `leave`."""
        self.leave()
        self._usual = {}
        for player, parts in players.items():
            for number, part in enumerate(parts):
                if isinstance(part, nn.Module):
                    hook = partial(self._after_forward, player, str(number))
                    self._handles.append(part.register_forward_hook(hook))

    def leave(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self._phase = [], ""

    def clear(self) -> None:
        self._events.clear()

    def batch(self, batch: Any, iteration: int) -> None:
        """Begin an iteration on a typed batch."""
        self._iteration = iteration
        for name, value in zip(getattr(batch, "_fields", ()), batch, strict=False):
            if isinstance(value, Tensor) and value.is_floating_point():
                self.note("data", "", name, value)

    def phase(self, player: str) -> None:
        """Begin an update of `player`; "" ends it, and outputs are no longer noted."""
        self._phase = player

    def note(self, cause: Cause, player: str, name: str, value: Tensor) -> None:
        """Keep a tensor of this iteration."""
        value = value.detach()
        if value.numel() > SMALL:
            value = torch.linalg.vector_norm(value, inf)
        self._events.append(Event(cause, player, name, self._iteration, self._phase, value))

    def _after_forward(self, player: str, part: str, module: nn.Module, args: Any, output: Any) -> None:
        if not self._phase:
            return
        for number, value in enumerate(output) if isinstance(output, tuple | list) else ((0, output),):
            if isinstance(value, Tensor) and value.is_floating_point():
                name = f"{part}.{number}"
                self.note("network", player, name, value)
                self._usual.setdefault((player, name), self._events[-1].value)

    def explain(self) -> Diverged | None:
        """The error for the first event that was not finite on any rank, None if there is none; every rank calls it."""
        found = [one for one in from_all(self._first_here()) if one is not None]
        if not found:
            return None
        _, message, cause, player = min(found)
        return Diverged(message, cause=cause, player=player)

    def _first_here(self) -> tuple[tuple[int, int], str, Cause, str] | None:
        """Of this rank's first event that is not finite: (iteration, place), message, cause and player to blame."""
        grown: tuple[Event, float] | None = None
        for place, event in enumerate(self._events):
            size = event.magnitude()
            if not isfinite(size):
                blamed = event if grown is None or event.cause == "data" else grown[0]
                message = _message(event, size, grown)
                return (event.iteration, place), message[0].upper() + message[1:], blamed.cause, blamed.player
            if event.cause == "network" and grown is None:
                usual = torch.linalg.vector_norm(self._usual[event.player, event.name].float(), inf).item()
                grown = (event, size) if size > GROWTH * max(usual, 1.0) else None
        return None


def _message(event: Event, size: float, grown: tuple[Event, float] | None) -> str:
    """A sentence on the first event that is not finite, and on the output that had grown before, if one had."""
    if event.cause == "data":
        return f"{event} of iteration {event.iteration + 1} holds NaN or infinite numbers."
    became = f"{event} became {'NaN' if isnan(size) else 'infinite'} at iteration {event.iteration + 1}"
    if grown is not None:
        first, peak = grown
        when = f"at iteration {first.iteration + 1}, in the phase of player {first.phase}"
        return f"{first} grew to {peak:.0e} {when}; then {became}."
    if event.cause == "network":
        return f"{became}, in the phase of player {event.phase}; the batch and all computed before it were finite."
    if event.cause == "loss":
        return f"{became}; the batch and the outputs of the networks before it were finite."
    return f"{became}; its loss was finite."
