"""Adversarial learning with PyTorch Lightning: each paper is one short module."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_gans.core.game import Game
    from lightning_gans.core.phase import Phase, PlayerSettings, Stage, Training
    from lightning_gans.core.rng import seeded
    from lightning_gans.models.export import load_generator

# torch takes seconds to import, so it is imported only when a name that needs it is accessed.
_HOMES = {
    "Game": "core.game",
    "Phase": "core.phase",
    "PlayerSettings": "core.phase",
    "Stage": "core.phase",
    "Training": "core.phase",
    "load_generator": "models.export",
    "seeded": "core.rng",
}

__all__ = ["Game", "Phase", "PlayerSettings", "Stage", "Training", "load_generator", "seeded"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
