"""Types of settings with their bounds, for the annotations of constructors' arguments.

Bounds are those of `annotated_types`; the frequent ones have names here. Constructors state them; the command line checks
settings against them before anything is built.
"""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from annotated_types import Ge, Gt, Le, Lt

T = TypeVar("T")


class Among:
    """One of a few values, of a type that has more: `Annotated[int, Among(8, 16, 32)]`."""

    def __init__(self, *values: Any) -> None:
        self.values = values


class FilledIn:
    """Marks an argument that the program passes; see `Given`."""


# An argument that the program passes (the optimizer of a schedule, the data of an extractor): it cannot be set.
Given = Annotated[T, FilledIn()]

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]  # a part of a whole, which may be all of it
Fraction = Annotated[float, Ge(0), Lt(1)]  # a part that leaves something: dropout, held-out data, Adam's betas
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Shape = Sequence[Count]

ImageSize = Annotated[int, Among(8, 16, 32, 64, 128)]  # that networks and data modules halve or double
Channels = Annotated[int, Among(1, 3)]  # grey or RGB
