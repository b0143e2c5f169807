"""Check of the user's own nodes in `callbacks` and `logger`: each needs a name and a `_target_`. Imports no torch."""

from collections.abc import Iterator, Mapping
from typing import Any

OWN = ("checkpoint", "evaluation", "grids")  # nodes of `callbacks` with the settings of built-in callbacks


def callback_problems(callbacks: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, message) for every node under `callbacks` that does not describe a callback."""
    for name, node in callbacks.items():
        place = f"callbacks.{name}"
        if name in OWN and isinstance(node, Mapping) and "_target_" in node:
            yield (
                place,
                f"{place} holds settings of the run's own callback and takes no _target_. Give a callback of yours "
                f"another name: +callbacks.mine={{_target_: {node['_target_']}}}.",
            )
        elif name not in OWN:
            yield from _without_target(place, node)


def logger_problems(loggers: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield (dotted key, message) for every node under `logger` that does not describe a logger."""
    if "_target_" in (loggers or {}):
        yield (
            "logger",
            "logger._target_: each logger stands under a name of its own, so that a run can have several: "
            "logger: {mine: {_target_: ...}}, or +logger.mine={_target_: ...} on the command line.",
        )
        return
    for name, node in (loggers or {}).items():
        yield from _without_target(f"logger.{name}", node)


def _without_target(place: str, node: Any) -> Iterator[tuple[str, str]]:
    if node is not None and not (isinstance(node, Mapping) and "_target_" in node):
        yield place, f"{place} has no _target_, the class that it is made of: say +{place}={{_target_: package.Class}}."
