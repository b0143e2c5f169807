"""Data sets as Lightning data modules. Importing this package imports nothing heavy; naming a class does."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datamodules.base import DataModule, Modes
    from datamodules.digits import Digits
    from datamodules.folder import Folder
    from datamodules.planar import Grid, RefPair, Ring, Spiral, SwissRoll, TwoPoints
    from datamodules.speech import Speech
    from datamodules.textured import DigitsTextured
    from datamodules.vision import Vision
    from datamodules.vowels import Vowels

_HOMES = {
    "DataModule": "base",
    "Modes": "base",
    "Digits": "digits",
    "DigitsTextured": "textured",
    "Folder": "folder",
    "Ring": "planar",
    "Grid": "planar",
    "Spiral": "planar",
    "SwissRoll": "planar",
    "TwoPoints": "planar",
    "RefPair": "planar",
    "Vision": "vision",
    "Speech": "speech",
    "Vowels": "vowels",
}

__all__ = [
    "DataModule",
    "Digits",
    "DigitsTextured",
    "Folder",
    "Grid",
    "Modes",
    "RefPair",
    "Ring",
    "Speech",
    "Spiral",
    "SwissRoll",
    "TwoPoints",
    "Vision",
    "Vowels",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
