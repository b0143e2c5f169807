"""Result of one check."""

from importlib import metadata
from typing import Literal, NamedTuple

Level = Literal["ok", "hint", "problem"]


class Finding(NamedTuple):
    """One line of the table.

    text: the observed state.
    remedy: a sentence with the solution of a problem, or advice for a hint.
    level: "problem" if a run would fail.
    """

    topic: str
    text: str
    remedy: str = ""
    level: Level = "ok"


def hint(topic: str, text: str, remedy: str) -> Finding:
    return Finding(topic, text, remedy, "hint")


def problem(topic: str, text: str, remedy: str) -> Finding:
    return Finding(topic, text, remedy, "problem")


def installed(name: str) -> str | None:
    """Return the version of an installed package; None if it is missing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
