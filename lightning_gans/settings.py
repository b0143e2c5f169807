"""Types of settings with their bounds, for the annotations of constructors' arguments.

Bounds are those of `annotated_types`; frequent ones have names here. Constructors declare them; the command line checks
settings against them before anything is built.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

try:
    from annotated_types import Ge as Ge
    from annotated_types import Gt as Gt
    from annotated_types import Le as Le
    from annotated_types import Lt as Lt
except ModuleNotFoundError:  # loading a generator needs only torch, safetensors and PyYAML; no bound is read

    class _Bound:
        def __init__(self, value: float) -> None:
            self.value = value

    Ge = Gt = Le = Lt = _Bound  # type: ignore[misc, assignment]

T = TypeVar("T")


class Among:
    """Restriction to a few values of a type: `Annotated[int, Among(8, 16, 32)]`."""

    def __init__(self, *values: Any) -> None:
        self.values = values


class FilledIn:
    """Marker of `Given`."""


class Exists:
    """Marker of a folder that must exist before a run begins."""


# An argument that the program passes (the optimizer of a schedule, the data of an extractor); no file can set it.
Given = Annotated[T, FilledIn()]

ExistingFolder = Annotated[str | Path, Exists()]

Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Shape = Sequence[Count]

Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]  # share of a whole, 1 included
Fraction = Annotated[float, Ge(0), Lt(1)]  # share of a whole, 1 excluded: dropout, held-out data, Adam's betas

Channels = Annotated[int, Among(1, 3)]  # channels of images: grey or RGB
ImageSize = Annotated[int, Among(8, 16, 32, 64, 128)]
MNISTImageSize = Annotated[int, Among(8, 16, 28, 32, 64, 128)]
TranslatedImageSize = Annotated[int, Among(8, 16, 32, 64, 128, 256)]
