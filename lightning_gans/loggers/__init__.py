"""Loggers besides a run's own files. Uses the core and no callback; accessing a logger imports only its module."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning_gans.loggers.tensorboard import TensorBoardLogger
    from lightning_gans.loggers.wandb import WandbLogger

_MODULES = {
    "tensorboard": "TensorBoardLogger",
    "wandb": "WandbLogger",
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = [
    "TensorBoardLogger",
    "WandbLogger",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
