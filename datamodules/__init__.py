"""Data sets as Lightning data modules. Importing this package imports nothing heavy; naming a class does."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datamodules.base import DataModule, Modes
    from datamodules.digits import Digits
    from datamodules.folder import Folder
    from datamodules.letor import Letor
    from datamodules.movielens import MovieLens
    from datamodules.planar import Grid, RefPair, Ring, Spiral, SwissRoll, TwoPoints
    from datamodules.retrieval import DigitsRetrieval
    from datamodules.textured import DigitsTextured
    from datamodules.vision import Vision

_HOMES = {
    "DataModule": "base",
    "Modes": "base",
    "Digits": "digits",
    "DigitsRetrieval": "retrieval",
    "DigitsTextured": "textured",
    "Folder": "folder",
    "Letor": "letor",
    "MovieLens": "movielens",
    "Ring": "planar",
    "Grid": "planar",
    "Spiral": "planar",
    "SwissRoll": "planar",
    "TwoPoints": "planar",
    "RefPair": "planar",
    "Vision": "vision",
}

__all__ = [
    "DataModule",
    "Digits",
    "DigitsRetrieval",
    "DigitsTextured",
    "Folder",
    "Grid",
    "Letor",
    "Modes",
    "MovieLens",
    "RefPair",
    "Ring",
    "Spiral",
    "SwissRoll",
    "TwoPoints",
    "Vision",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
