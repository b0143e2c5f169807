"""What may be said of one class or place, and the settings that several share."""

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.settings.spec import Float, Int, ListOf, Optional, Spec


@dataclass(frozen=True)
class Schema:
    """settings: by name. given: arguments that the program fills in, so that no file names them."""

    settings: Mapping[str, Spec]
    given: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Settings at a fixed place without a `_target_`. target: the class that takes them, where one class does."""

    schema: Schema
    target: str | None = None
    extra: tuple[str, ...] = ()  # settings that the program itself reads


SEED = Int(min=0, max=2**32 - 1)
WIDTH = Int(min=1, help="units or channels")
DEPTH = Int(min=0, help="hidden layers")
CLASSES = Optional(Int(min=1), help="that the network is told; null: it is told none")
PROBABILITY = Float(min=0, below=1)
SHAPE = ListOf(Int(min=1))
EVERY = Int(min=1, help="in iterations")
