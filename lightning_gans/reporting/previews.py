"""Previews: one small picture of a model's samples."""

from typing import Any

import torch
from PIL import Image

from lightning_gans.core.protocols import Samples, SamplesByLabel
from lightning_gans.reporting.images import image_grid, is_picture
from lightning_gans.reporting.planar import planar_figure

ROWS, COLUMNS = 8, 8
MOST_CLASSES = 10  # rows of a class-conditional picture
POINTS = 2000


def preview(model: Any) -> tuple[Image.Image | None, tuple[int, ...] | None]:
    """Draw samples of seed 0; return the picture and a sample's shape. By class: a row for each of the first ten.

    Both are None for a model that does not sample; the picture is None for samples that are neither images nor points.
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
