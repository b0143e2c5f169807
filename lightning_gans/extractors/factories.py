"""Factories of feature extractors: one function for each choice of `metrics=`, called with the run's data."""

from pathlib import Path

import torch

from lightning_gans.core.data import Data
from lightning_gans.core.errors import UserError
from lightning_gans.extractors.base import Extractor, Progress
from lightning_gans.extractors.classifier import fit_or_load
from lightning_gans.extractors.coordinates import CoordinateExtractor
from lightning_gans.extractors.inception import InceptionExtractor

# The names that a configuration from a stranger may use; see experiments.trained.loading.
__all__ = ["classifier", "coordinates", "inception", "own"]


def classifier(data: Data, *, cache_dir: Path, device: torch.device, progress: Progress | None = None) -> Extractor:
    """A small classifier of the data's own labels, trained once; see `extractors.classifier`."""
    return fit_or_load(data, cache_dir, device=device, progress=progress)


def coordinates(data: Data, *, cache_dir: Path, device: torch.device, progress: Progress | None = None) -> Extractor:
    """The points themselves; for planar densities.

    Raises:
        UserError: the samples are no points.
    """
    if len(data.sample_shape) != 1:
        shape = "x".join(map(str, data.sample_shape))
        raise UserError(f"metrics=planar measures points, and these samples are {shape}. Say metrics=classifier.")
    return CoordinateExtractor(data.sample_shape[0])


def inception(
    data: Data,
    *,
    cache_dir: Path,
    device: torch.device,
    progress: Progress | None = None,
    weights: str | None = None,
) -> Extractor:
    """torchmetrics' Inception; weights: a file of them, None downloads them."""
    return InceptionExtractor(weights, device=device)


def own(data: Data, *, cache_dir: Path, device: torch.device, progress: Progress | None = None) -> None:
    """No extractor: only what the game's model itself can do is measured."""
