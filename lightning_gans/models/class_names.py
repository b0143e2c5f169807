"""Names of classes and of components of a condition vector, as stored in a model's description (model.yaml).

Imports no torch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lightning_gans.core.errors import UserError
from lightning_gans.core.received import printable

KEY = "classes"  # key in the facts beside a description
CONDITIONS = "condition_names"  # key of the names of a condition vector's components
LONGEST = 200  # characters of a name
SHOWN = 12


def listed(names: Sequence[str]) -> str:
    """Return the names in one line: all of up to twelve, or the first eleven and the last."""
    shown = [printable(name, LONGEST) for name in names]
    if len(shown) > SHOWN:
        shown = [*shown[: SHOWN - 1], "...", shown[-1]]
    return " ".join(shown)


def received(about: Mapping[str, Any], classes: int, key: str = KEY) -> tuple[str, ...]:
    """Return the names in the facts beside an untrusted description; none if they do not fit.

    Args:
        about: facts, from a file.
        classes: number of classes or of condition components of the model.
        key: `KEY` or `CONDITIONS`.
    """
    names = about.get(key)
    if not isinstance(names, list) or len(names) != classes:
        return ()
    if not all(isinstance(name, str) and 0 < len(name) <= LONGEST and name.isprintable() for name in names):
        return ()
    return tuple(names) if len(set(names)) == classes else ()


def number_of(label: str, names: Sequence[str], classes: int) -> int | None:
    """Return the class of the name `label`, or else of that number; None if there is neither.

    Names take precedence: if the classes are the folders 1, 2, 10 and 20, label 2 is the second of them.
    """
    if label in names:
        return list(names).index(label)
    if label.isascii() and label.isdecimal() and len(label) <= len(str(classes)) and int(label) < classes:
        return int(label)
    return None


def no_class(label: str, names: Sequence[str], classes: int, run: object, hint: str) -> UserError:
    """Return the error for a label that matches no class. hint: the nearest names, as a sentence."""
    if not names:
        return UserError(
            f"label={label}: the classes of run={run} are 0 to {classes - 1}, and their names are not recorded. "
            "Without label, samples are of classes at random."
        )
    return UserError(
        f"label={label}: run={run} has no such class.{hint} Its {classes} classes are {listed(names)}, or 0 to "
        f"{classes - 1} by number. Without label, samples are of classes at random."
    )
