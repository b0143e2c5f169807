"""Data sets as Lightning data modules. Heavy imports are deferred until a class is accessed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datamodules.base import DataModule, Modes
    from datamodules.conditioned import Attributes, DigitsAttributes
    from datamodules.digits import Digits
    from datamodules.domains import Domains, EmbeddedDomains
    from datamodules.folder import Folder
    from datamodules.letor import Letor
    from datamodules.mnistm import MNISTM
    from datamodules.movielens import MovieLens
    from datamodules.paired import DigitsEdges, DigitsHalves, Paired, PhotosGrey
    from datamodules.planar import Grid, RefPair, Ring, Spiral, SwissRoll, TwoPoints
    from datamodules.retrieval import DigitsRetrieval
    from datamodules.semi import DigitsSemi, VisionSemi
    from datamodules.shifted import DigitsShifted
    from datamodules.speech import Speech
    from datamodules.textured import DigitsTextured
    from datamodules.unpaired import DigitsUnpaired, Unpaired
    from datamodules.vision import Vision
    from datamodules.vowels import Vowels

_HOMES = {
    "DataModule": "base",
    "Modes": "base",
    "Attributes": "conditioned",
    "Digits": "digits",
    "DigitsAttributes": "conditioned",
    "DigitsEdges": "paired",
    "DigitsHalves": "paired",
    "DigitsShifted": "shifted",
    "DigitsSemi": "semi",
    "DigitsRetrieval": "retrieval",
    "DigitsTextured": "textured",
    "DigitsUnpaired": "unpaired",
    "Domains": "domains",
    "EmbeddedDomains": "domains",
    "Folder": "folder",
    "MNISTM": "mnistm",
    "Letor": "letor",
    "MovieLens": "movielens",
    "Paired": "paired",
    "PhotosGrey": "paired",
    "Ring": "planar",
    "Grid": "planar",
    "Spiral": "planar",
    "SwissRoll": "planar",
    "TwoPoints": "planar",
    "RefPair": "planar",
    "Unpaired": "unpaired",
    "Vision": "vision",
    "VisionSemi": "semi",
    "Speech": "speech",
    "Vowels": "vowels",
}

__all__ = [
    "MNISTM",
    "Attributes",
    "DataModule",
    "Digits",
    "DigitsAttributes",
    "DigitsEdges",
    "DigitsHalves",
    "DigitsRetrieval",
    "DigitsSemi",
    "DigitsShifted",
    "DigitsTextured",
    "DigitsUnpaired",
    "Domains",
    "EmbeddedDomains",
    "Folder",
    "Grid",
    "Letor",
    "Modes",
    "MovieLens",
    "Paired",
    "PhotosGrey",
    "RefPair",
    "Ring",
    "Speech",
    "Spiral",
    "SwissRoll",
    "TwoPoints",
    "Unpaired",
    "Vision",
    "VisionSemi",
    "Vowels",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
