"""The static reader of signatures: every way in which a constructor can be written, and nothing imported."""

import math
import sys

import pytest

from experiments.settings.signatures import REQUIRED, UNKNOWN, declared, lineage, signature
from experiments.settings.spec import (
    Bool,
    Choice,
    Float,
    Int,
    ListOf,
    Node,
    OneOf,
    Optional,
    Path,
    Spec,
    Table,
    Text,
)

ALIASES = """
from typing import Annotated, Literal, TypeAlias
import annotated_types as at
from annotated_types import Ge, Gt, Interval, Le, Len, Lt
from lightning_gans.settings import Among

MOST = 2**4
Share = Annotated[float, Ge(0), Le(1)]
Mode: TypeAlias = Literal["a", "b"]
TABLE = {"kl": Share, "js": int}
DEFAULT = 0.25
"""

GAMES = '''
"""A module that fails where it is imported."""
from __future__ import annotations
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Generic, List, NamedTuple, Optional, TypeVar, Union, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from . import aliases
from .aliases import MOST, TABLE, Annotated, Among, Ge, Gt, Interval, Len, Le, Literal, Lt, Mode, Share, at
from lightning_gans.settings import Count, Given

raise ImportError("read, never imported")
T = TypeVar("T")

class Colour(Enum):
    red = 1

class Base(nn.Module):
    """A base.

    Args:
        loss: loss that is descended. More of it.
        steps: steps of D for one of G; None: none.
            A second line.
        names: True or
            False.
    """

    label: ClassVar[str] = "base"
    holds: ClassVar[type] = Colour
    batch: type
    kinds = ("images", MOST)
    table = {"loss": Colour, "n": -1.5}
    both = (Colour, aliases.Mode)
    odd = math.floor(2.5)

    def __init__(self, *, loss: Callable[[Tensor], Tensor], steps: Count = 2, names: Sequence[str] = ("a",)):
        super().__init__()

class Middle(Base):
    label = "middle"

class HandsOn(Middle):
    def __init__(self, *, weight: Share = 2 / 3, steps: int = 5, **settings: Any) -> None:
        """Make one.

        Args:
            weight: weight of the term.
        """
        first = settings["loss"]
        super().__init__(steps=steps, **settings)

class Deducts(HandsOn):
    def __init__(self, **settings):
        super().__init__(weight=1.0, names=("b",), **settings)

class Positional(HandsOn):
    def __init__(self, loss, **rest):
        super().__init__(loss, **rest)

class Pops(Base):
    def __init__(self, **settings):
        settings.pop("more", None)
        super().__init__(**settings)

class Elsewhere(Base):
    def __init__(self, **settings):
        other(**settings)

class Everything:
    def __init__(
        self, a, /, b: int, c: "float" = -1.0, d: bool = True, e: str = "x", f: "int | None" = None,
        g: Optional[float] = None, h: Union[int, str] = 1, i: int = None, *args,
        j: Annotated[int, at.Ge(1)] | None = None, k: Mode = "a", l: aliases.Share = aliases.DEFAULT,
        m: Literal["auto"] | bool = "auto", n: list[int] = [1, 2], o: tuple[Share, Share] = (0.5, 1),
        p: tuple[int, ...] = (), q: Annotated[Sequence[float], Len(2, 2)] = (1, 2), r: Mapping[str, Base] = {},
        s: Annotated[float, Interval(gt=0, le=1)] = 1, t: Annotated[int | None, Gt(0), Lt(MOST)] = 3,
        u: Annotated[int, Among(*range(8, 17, 4))] = 8, v: Annotated[str, Among(*TABLE)] | None = None,
        w: pathlib.Path | str = ".", x: nn.Module | None = None, y: Base | None = None, z: Any = None,
        colour: Colour = Colour.red, array: np.ndarray = None, root: float = math.sqrt(3), data: Given[object] = None,
        optimizer: Optimizer, anything=3, aliased: List[Colour] = (), generic: T = 1, limit: int = 2**32 - 1,
    ):
        ...

@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings.

    Args:
        rate: learning rate.
    """

    rate: Share
    kind: ClassVar[str] = "x"
    sizes: list = field(default_factory=list)
    seed: int = field(default=3)
    derived: int = field(init=False, default=1)

@dataclass(frozen=True, kw_only=True)
class More(Settings):
    extra: int = 1

class Pair(NamedTuple):
    a: int
    b: float = 1.0

class Empty(Generic[T]):
    """Nothing."""

class Made:
    def __new__(cls, a): ...

class Diamond(Middle, Generic[T]): ...
class Other(Base):
    label = "other"
class Both(Diamond, Other): ...

@overload
def loss(x: Tensor) -> int: ...
@overload
def loss(x: Tensor, *, k: int) -> int: ...
def loss(x: Tensor, weight: Tensor | None = None, reduction: str = "mean") -> int:
    """A loss.

    Args:
        reduction: reduction over all numbers.

    Returns:
        reduction: not this.
    """

if torch.cuda:
    class Branch:
        def __init__(self, *, taken: int = 1): ...
else:
    Branch = None
try:
    from .missing import Absent
except ImportError:
    class Absent: ...
class Lost(Absent): ...
class Unfound(nowhere.Base): ...
'''

PACKAGE = """
from typing import TYPE_CHECKING

from .games import Everything as Renamed
from .stars import *

if TYPE_CHECKING:
    from .games import Settings

_HOMES = {"Base": "games", "Deducts": ".games"}

def __getattr__(name): ...
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A package of a user's own, with every trap."""
    root = tmp_path_factory.mktemp("outside")
    folder = root / "traps"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "aliases.py").write_text(ALIASES)
    (folder / "games.py").write_text(GAMES)
    (folder / "stars.py").write_text("from .games import Pair, Middle as Starred\n")
    (folder / "broken.py").write_text("def (:\n")
    (folder / "round.py").write_text("from .round_too import Loop\n")
    (folder / "round_too.py").write_text("from .round import Loop\n")
    sys.path.insert(0, str(root))
    yield "traps"
    sys.path.remove(str(root))


def specs(target):
    return {name: one.spec for name, one in signature(target).settings.items()}


@pytest.mark.parametrize(
    "name, expected, default",
    [
        ("b", Int(), REQUIRED),
        ("c", Float(), -1.0),
        ("d", Bool(), True),
        ("e", Text(empty=True), "x"),  # "" may mean something to a class outside the tree
        ("f", Optional(Int()), None),
        ("g", Optional(Float()), None),
        ("h", OneOf((Int(), Text(empty=True))), 1),
        ("i", Optional(Int()), None),
        ("j", Optional(Int(min=1)), None),
        ("k", Choice(("a", "b")), "a"),
        ("l", Float(min=0, max=1), 0.25),
        ("m", Choice(("auto", True, False)), "auto"),
        ("n", ListOf(Int()), [1, 2]),
        ("o", ListOf(Float(min=0, max=1), length=2), (0.5, 1)),
        ("p", ListOf(Int()), ()),
        ("q", ListOf(Float(), length=2), (1, 2)),
        ("r", Table(Node()), {}),
        ("s", Float(above=0, max=1), 1),
        ("t", Optional(Int(above=0, below=16)), 3),
        ("u", Choice((8, 12, 16)), 8),
        ("v", Optional(Choice(("kl", "js"))), None),
        ("w", Path(), "."),
        ("x", Optional(Node()), None),
        ("y", Optional(Node()), None),
        ("z", Spec(), None),
        ("colour", Spec(), UNKNOWN),
        ("array", Spec(), None),
        ("root", Float(), UNKNOWN),
        ("anything", Spec(), 3),
        ("aliased", ListOf(Spec()), ()),
        ("generic", Spec(), 1),
        ("limit", Int(), 2**32 - 1),
    ],
)
def test_an_annotation_and_a_default(package, name, expected, default):
    argument = signature(f"{package}.games.Everything").settings[name]
    assert argument.spec == expected
    assert argument.default == default


def test_all_arguments_that_a_keyword_can_give(package):
    read = signature(f"{package}.games.Everything")
    assert {"a", "self", "args"}.isdisjoint(read.arguments)
    assert [name for name, one in read.arguments.items() if one.given] == ["data", "optimizer"]
    assert not read.open


def test_inherited_arguments_and_those_handed_on(package):
    assert [*specs(f"{package}.games.Middle")] == ["loss", "steps", "names"]
    hands_on = signature(f"{package}.games.HandsOn").settings
    assert {*hands_on} == {"loss", "steps", "names", "weight"}
    assert (hands_on["steps"].default, hands_on["weight"].default) == (5, 2 / 3)
    assert {*specs(f"{package}.games.Deducts")} == {"loss", "steps"}
    assert not signature(f"{package}.games.Deducts").open
    assert signature(f"{package}.games.Pops").open
    assert signature(f"{package}.games.Elsewhere").open


def test_help_is_the_first_sentence_as_it_is_typed_in_a_file(package):
    read = signature(f"{package}.games.Deducts").settings | signature(f"{package}.games.HandsOn").settings
    assert {name: one.spec.help for name, one in read.items()} == {
        "loss": "loss that is descended",
        "steps": "steps of D for one of G; null: none",
        "names": "true or false",
        "weight": "weight of the term",
    }
    assert signature(f"{package}.games.loss").settings["reduction"].spec.help == "reduction over all numbers"


def test_dataclasses_and_named_tuples(package):
    more = signature(f"{package}.games.More").settings
    assert {name: one.default for name, one in more.items()} == {
        "rate": REQUIRED,
        "sizes": UNKNOWN,
        "seed": 3,
        "extra": 1,
    }
    assert more["rate"].spec == Float(min=0, max=1, help="learning rate")
    assert {name: one.default for name, one in signature(f"{package}.Pair").settings.items()} == {
        "a": REQUIRED,
        "b": 1.0,
    }


def test_functions_of_which_the_last_definition_counts(package):
    read = signature(f"{package}.games.loss")
    assert [*read.arguments] == ["x", "weight", "reduction"]
    assert [*read.settings] == ["weight", "reduction"]


@pytest.mark.parametrize("name", ["Base", "Deducts", "Renamed", "Settings", "Starred", "games.Branch"])
def test_names_that_a_package_re_exports(package, name):
    assert signature(f"{package}.{name}") is not None


def test_classes_without_a_constructor(package):
    assert signature(f"{package}.games.Empty").arguments == {}
    assert not signature(f"{package}.games.Empty").open


@pytest.mark.parametrize(
    "name",
    ["games.Made", "games.Lost", "games.Unfound", "games.Nothing", "games.T", "broken.X", "round.Loop", "absent.X", ""],
)
def test_what_cannot_be_read_is_none(package, name):
    assert signature(f"{package}.{name}") is None
    assert signature(name) is None


def test_lineage_is_pythons_own_order(package):
    assert [one.name for one in lineage(f"{package}.games.Both")] == ["Both", "Diamond", "Middle", "Other", "Base"]
    assert lineage(f"{package}.games.loss") == ()
    assert {one.module for one in lineage(f"{package}.Deducts")} == {f"{package}.games"}


def test_declared_attributes(package):
    def of(name, attribute):
        return declared(f"{package}.games.{name}", attribute, "absent")

    assert (of("Base", "label"), of("Deducts", "label"), of("Both", "label")) == ("base", "middle", "middle")
    assert of("Deducts", "holds") == "Colour"
    assert of("Deducts", "batch") == "absent"
    assert of("Deducts", "kinds") == ("images", 16)
    assert of("Deducts", "table") == {"loss": "Colour", "n": -1.5}
    assert of("Deducts", "both") == ("Colour", "aliases.Mode")
    assert of("Deducts", "odd") is UNKNOWN
    assert of("Nothing", "label") == "absent"


def test_nothing_is_imported(package):
    assert "traps" not in sys.modules


@pytest.mark.parametrize(
    "target, names",
    [
        ("torch.optim.AdamW", {"lr", "betas", "eps", "weight_decay"}),
        ("torch.optim.lr_scheduler.LinearLR", {"start_factor", "end_factor", "total_iters", "last_epoch"}),
        ("torch.nn.functional.mse_loss", {"reduction", "weight"}),
        ("torch.nn.ReLU", {"inplace"}),
        ("pytorch_lightning.callbacks.Timer", {"duration", "interval", "verbose"}),
        ("pytorch_lightning.Trainer", {"profiler", "max_time", "callbacks", "logger"}),
    ],
)
def test_classes_of_torch_and_lightning(target, names):
    read = signature(target)
    assert names <= {*read.settings}
    assert not read.open
    assert {"params", "optimizer", "input", "target"}.isdisjoint(read.settings)


def test_optimizers_have_bounds():
    settings = signature("torch.optim.Adam").settings
    assert settings["lr"].spec.problem(-1.0)
    assert settings["betas"].spec.problem([0.5, 1.0])
    assert settings["betas"].default == (0.9, 0.999)


def test_arithmetic_is_evaluated():
    assert signature("lightning_gans.core.prior.Uniform").settings["bound"].default == math.sqrt(3)


def test_a_text_of_our_own_is_a_name_and_not_empty():
    assert signature("datamodules.Vision").settings["name"].spec.problem("")
