"""Previews: one small picture of what a model samples."""

from typing import Any

import torch
from PIL import Image

from lightning_gans.core.protocols import Samples, SamplesByLabel
from lightning_gans.reporting.images import image_grid, is_picture
from lightning_gans.reporting.planar import planar_figure

ROWS, COLUMNS = 8, 8
MOST_CLASSES = 10  # rows of a picture by class
POINTS = 2000


def preview(model: Any) -> tuple[Image.Image | None, tuple[int, ...] | None]:
    """Samples of seed 0 as a picture, and the shape of one; by class, a row for each of the first ten.

    None for a model that does not sample, and no picture where samples are neither images nor points of the plane.
    """
    if not isinstance(model, Samples):
        return None, None
    shape = tuple(model.sample(1).shape[1:])
    if not is_picture(shape):
        return None, shape
    if len(shape) == 1:
        return planar_figure(model.sample(POINTS).cpu()), shape
    if isinstance(model, SamplesByLabel):
        label = torch.arange(min(model.classes, MOST_CLASSES)).repeat_interleave(COLUMNS)
        return image_grid(model.sample(len(label), label=label), COLUMNS), shape
    return image_grid(model.sample(ROWS * COLUMNS), COLUMNS), shape
