"""Adversarial learning with PyTorch Lightning: every paper one short module."""

from typing import Any

__all__ = ["load_generator"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import: only those who load a model wait for it
    if name == "load_generator":
        from lightning_gans.models.export import load_generator

        return load_generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
