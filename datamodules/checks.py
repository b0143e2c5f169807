"""Checks of constructor arguments: each error message gives the key, the value and the allowed values."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from datamodules.pixels import Levels
from lightning_gans.core.errors import UserError

T = TypeVar("T")

IMAGE_SIZES = (8, 16, 32, 64, 128, 256)
CHANNELS = (1, 3)


def one_of(key: str, value: T, allowed: Sequence[T]) -> T:
    """Return `value`, or raise a UserError if it is none of `allowed`."""
    fits = any(value == other and type(value) is type(other) for other in allowed)
    if not fits:
        choices = ", ".join(map(str, allowed))
        raise UserError(f"data.{key}={value!r} does not fit: it is one of {choices}. Say data.{key}={allowed[0]}.")
    return value


def whole(key: str, value: object, *, least: int, most: int | None = None) -> int:
    """Return `value`, or raise a UserError if it is not a whole number from `least` to `most`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least or (most is not None and value > most):
        bounds = f"{least} or more" if most is None else f"{least} to {most:,}"
        raise UserError(f"data.{key}={value!r} does not fit: it is a whole number, {bounds}.")
    return value


def number(key: str, value: Any, *, above: float | None = None, least: float | None = None) -> float:
    """Return `value` as float, or raise a UserError if it is not a finite number > above (or >= least)."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if fits and (above is None or value > above) and (least is None or value >= least):
        return float(value)
    bound = f" above {above:g}" if above is not None else f", {least:g} or more" if least is not None else ""
    raise UserError(f"data.{key}={value!r} does not fit: it is a finite number{bound}.")


def boolean(key: str, value: bool) -> bool:
    """Return `value`, or raise a UserError if it is neither true nor false."""
    return one_of(key, value, (True, False))


def image_size(value: int, *, also: Sequence[int] = ()) -> int:
    """Return `value`, or raise a UserError if it is neither a size of the image networks nor one of `also`."""
    sizes = sorted({*IMAGE_SIZES, *also})
    if value not in sizes or isinstance(value, bool):
        raise UserError(
            f"data.image_size={value!r} does not fit: images are {', '.join(map(str, sizes))} pixels wide and high. "
            "Say data.image_size=32."
        )
    return int(value)


def channels(value: int) -> int:
    """Return `value`, or raise a UserError if it is neither 1 (grey) nor 3 (RGB)."""
    if value not in CHANNELS or isinstance(value, bool):
        raise UserError(f"data.channels={value!r} does not fit: 1 is grey, 3 is RGB. Say data.channels=3.")
    return int(value)


def folder(key: str, value: object) -> Path:
    """Return `value` as a path with ~ expanded, or raise a UserError if it is empty or not text."""
    if not isinstance(value, str | Path) or not str(value).strip():
        raise UserError(f"data.{key}={value!r} does not fit: it names a folder. Say data_dir=DIR or data.{key}=DIR.")
    return Path(value).expanduser()


def levels(black: float, white: float | None) -> Levels:
    """Return black and white of files with more than 8 bits, or raise a UserError if they are not a range."""
    if white is None:
        if number("black", black) != 0:
            raise UserError(
                f"data.black={black:g} goes with the value that becomes white: say data.white=4095 for 12-bit values."
            )
        return Levels()
    if not number("black", black) < number("white", white):
        raise UserError(
            f"data.black={black:g} and data.white={white:g} are no range: white is above black. Say data.black=0 "
            "data.white=4095 for 12-bit values, or leave both out for the full range."
        )
    return Levels(float(black), float(white))
