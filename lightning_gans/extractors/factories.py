"""Factories of feature extractors: one function for each choice of `metrics=`, called with the run's data.

The class that a function is annotated to return declares which data it takes: `batch` and `contents`.
"""

from pathlib import Path
from typing import Literal

import torch

from lightning_gans.core.data import Data
from lightning_gans.core.errors import UserError
from lightning_gans.extractors.base import Progress
from lightning_gans.extractors.classifier import ClassifierExtractor, fit_or_load
from lightning_gans.extractors.coordinates import CoordinateExtractor
from lightning_gans.extractors.inception import InceptionExtractor
from lightning_gans.extractors.pixels import PixelExtractor
from lightning_gans.settings import Given

# The names that an untrusted configuration may use; see experiments.trained.loading.
__all__ = ["classifier", "coordinates", "inception", "own", "pixels"]


def classifier(
    data: Given[Data], *, cache_dir: Given[Path], device: Given[torch.device], progress: Given[Progress | None] = None
) -> ClassifierExtractor:
    """Classifier of the data's own labels, trained once; see `extractors.classifier`.

    Args:
        data: data module of the run.
        cache_dir: directory of cached features.
        device: device that computes features.
        progress: callback for progress messages.
    """
    return fit_or_load(data, cache_dir, device=device, progress=progress)


def coordinates(
    data: Given[Data], *, cache_dir: Given[Path], device: Given[torch.device], progress: Given[Progress | None] = None
) -> CoordinateExtractor:
    """Coordinates of the points themselves; for planar densities.

    Args:
        data: data module of the run.
        cache_dir: directory of cached features.
        device: device that computes features.
        progress: callback for progress messages.

    Raises:
        UserError: the samples are not points.
    """
    if len(data.sample_shape) != 1:
        shape = "x".join(map(str, data.sample_shape))
        raise UserError(f"metrics=planar measures points, and these samples are {shape}. Say metrics=classifier.")
    return CoordinateExtractor(data.sample_shape[0])


def inception(
    data: Given[Data],
    *,
    cache_dir: Given[Path],
    device: Given[torch.device],
    progress: Given[Progress | None] = None,
    weights: str | Path | None = None,
    sha256: str | None = None,
    resize: Literal["tf1", "clean"] = "tf1",
) -> InceptionExtractor:
    """Inception network of FID; see `extractors.inception`.

    Args:
        data: data module of the run.
        cache_dir: directory of cached features.
        device: device that computes features.
        progress: callback for progress messages.
        weights: file of weights; None: download into torch.hub's folder.
        sha256: SHA-256 of the file of weights; None: any.
        resize: tf1: bilinear as in TensorFlow 1 (torch-fidelity); clean: antialiased bicubic (clean-fid).
    """
    return InceptionExtractor(weights, sha256=sha256, resize=resize, device=device)


def own(
    data: Given[Data], *, cache_dir: Given[Path], device: Given[torch.device], progress: Given[Progress | None] = None
) -> None:
    """No extractor: only what the game's model itself can do is measured.

    Args:
        data: data module of the run.
        cache_dir: directory of cached features.
        device: device that computes features.
        progress: callback for progress messages.
    """


def pixels(
    data: Given[Data], *, cache_dir: Given[Path], device: Given[torch.device], progress: Given[Progress | None] = None
) -> PixelExtractor:
    """Mean colours of 8x8 parts of the image; for any images, without labels and without a download.

    Args:
        data: data module of the run.
        cache_dir: directory of cached features.
        device: device that computes features.
        progress: callback for progress messages.

    Raises:
        UserError: the samples are not images.
    """
    if len(data.sample_shape) != 3:
        shape = "x".join(map(str, data.sample_shape))
        raise UserError(f"metrics=pixels measures images, and these samples are {shape}. Say metrics=planar or own.")
    return PixelExtractor(data.sample_shape[0])
