"""Diagnosis of a divergence: batches, outputs, losses and gradients between two readings, in program order.

Nothing here waits for the device until a run has diverged. Every tensor is kept as its sum, which is NaN or infinite if
one of its elements is. A sum is the cheapest reduction; the tensors themselves would hold memory that the next
iteration needs. `Trail.explain` finds the first sum that is not finite.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from math import isfinite, isnan
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lightning_gans.core.errors import Cause, Diverged
from lightning_gans.strategies.exchange import from_all

KEPT = 10_000  # events, if the losses are not read
GROWTH = 1e5  # factor by which a network's mean output must have grown to be named as the cause


class Label(NamedTuple):
    """Label of a quantity that must be finite.

    cause: "data", a field of the batch; "network", an output of a network of the player; "loss", a term of the player's
        loss; "gradient", the norm of the player's gradient.
    player, name: the player, or ""; the field's, the output's or the term's name.
    """

    cause: Cause
    player: str
    name: str

    def __str__(self) -> str:
        return {
            "data": f"the training batch ({self.name})",
            "network": f"the output of player {self.player}'s network",
            "loss": f"the loss term {self.player}/{self.name}",
            "gradient": f"the gradient of player {self.player}",
        }[self.cause]


class Event(NamedTuple):
    """Quantity at an iteration (from 0), in the update of the player `phase`: sum and number of its elements."""

    label: Label
    iteration: int
    phase: str
    total: Tensor
    numbers: int

    def size(self) -> float:
        """Absolute mean; NaN or infinite if an element is. Waits for the device."""
        return abs(self.total.item()) / max(self.numbers, 1)


class Trail:
    """Events since the last reading of the losses.

    Attributes:
        iteration: iteration of the next events.
        phase: player of the current update; outputs of networks are recorded only while one is set.
    """

    def __init__(self) -> None:
        self.iteration, self.phase = 0, ""
        # Plain tuples: in the training loop of small networks, every microsecond counts.
        self._events: list[tuple[Label, int, str, Tensor, int]] = []
        self._slots: list[Tensor] = []  # reused: new small tensors would fragment the networks' memory
        self._usual: dict[Label, Event] = {}
        self._handles: list[RemovableHandle] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "Trail":
        return Trail()  # copies of a network have its hooks

    def watch(self, players: Mapping[str, Iterable[nn.Module | nn.Parameter]]) -> None:
        """Record the outputs of the players' networks in every update, until `leave`."""
        self.leave()
        self._usual = {}
        for player, parts in players.items():
            for number, part in enumerate(parts):
                if isinstance(part, nn.Module):
                    hook = partial(self._after_forward, Label("network", player, str(number)))
                    if getattr(part, "_compiled_call_impl", None) is not None:  # compiled code would trace its hooks
                        hook = torch.compiler.disable(hook)
                    self._handles.append(part.register_forward_hook(hook))

    def leave(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles, self.phase = [], ""

    def clear(self) -> None:
        """Forget the events, except the first output of each network."""
        if not self._usual:
            for event in map(Event._make, self._events):
                self._usual.setdefault(event.label, event._replace(total=event.total.clone()))
        self._events.clear()

    def batch(self, batch: Any, iteration: int) -> None:
        """Begin an iteration on a typed batch."""
        self.iteration = iteration
        for name, value in zip(getattr(batch, "_fields", ()), batch, strict=False):
            if isinstance(value, Tensor) and value.is_floating_point():
                self.note(Label("data", "", name), value)

    def note(self, label: Label, value: Tensor) -> None:
        """Record a tensor, without its graph."""
        place, count = len(self._events), value.numel()
        if place == len(self._slots):
            self._slots.append(value.new_empty((), dtype=torch.float32))
        slot = self._slots[place]
        if value.dim() == 0:
            slot.copy_(value)
        else:
            torch.sum(value, (), dtype=torch.float32, out=slot)
        self._events.append((label, self.iteration, self.phase, slot, count))
        if place == KEPT:
            self.clear()

    def _after_forward(self, label: Label, module: nn.Module, args: Any, output: Any) -> None:
        if not self.phase:
            return
        if isinstance(output, Tensor):
            self.note(label, output.detach())
        elif isinstance(output, tuple | list):
            for number, value in enumerate(output):
                if isinstance(value, Tensor):
                    self.note(label._replace(name=f"{label.name}.{number}"), value.detach())

    def explain(self) -> Diverged | None:
        """Return the error for the first non-finite event on any rank, or None; every rank calls it."""
        found = [one for one in from_all(self._first_here()) if one is not None]
        if not found:
            return None
        _, message, cause, player = min(found)
        return Diverged(message, cause=cause, player=player)

    def _first_here(self) -> tuple[tuple[int, int], str, Cause, str] | None:
        """Find this rank's first non-finite event: (iteration, place), message, cause and player to blame."""
        grown: tuple[Event, float] | None = None
        for place, event in enumerate(map(Event._make, self._events)):
            size = event.size()
            if not isfinite(size):
                blamed = event.label if grown is None or event.label.cause == "data" else grown[0].label
                message = _message(event, size, grown)
                return (event.iteration, place), message[0].upper() + message[1:], blamed.cause, blamed.player
            if event.label.cause == "network" and grown is None:
                usual = self._usual.setdefault(event.label, event).size()
                grown = (event, size) if size > GROWTH * max(usual, 1.0) else None
        return None


def _message(event: Event, size: float, grown: tuple[Event, float] | None) -> str:
    """Return a message on the first non-finite event, and on the output that had grown before it, if one had."""
    if event.label.cause == "data":
        return f"{event.label} of iteration {event.iteration + 1} holds NaN or infinite numbers."
    became = f"{event.label} became {'NaN' if isnan(size) else 'infinite'} at iteration {event.iteration + 1}"
    if grown is not None:
        first, peak = grown
        when = f"at iteration {first.iteration + 1}, in the phase of player {first.phase}"
        return f"{first.label} grew to {peak:.0e} on average {when}; then {became}."
    if event.label.cause == "network":
        return f"{became}, in the phase of player {event.phase}; the batch and all computed before it were finite."
    if event.label.cause == "loss":
        return f"{became}; the batch and the outputs of the networks before it were finite."
    return f"{became}; its loss was finite."
