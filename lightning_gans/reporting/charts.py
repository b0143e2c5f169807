"""Charts of generated images: nearest training images, and shares of classes."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from lightning_gans.reporting.images import to_picture, to_uint8
from lightning_gans.reporting.planar import GENERATED, REAL

NAMED = 40  # largest number of named classes in a chart; with more, only class numbers are shown


def nearest_figure(samples: Tensor, nearest: Tensor, distances: Tensor) -> Image.Image:
    """Draw generated images in a row, with the nearest training images of each below it and their distances.

    Args:
        samples: (N, C, H, W), float in [-1, 1] or uint8.
        nearest: (N, k, C, H, W), nearest first.
        distances: (N, k); infinite where there is no image to draw.
    """
    figure, canvas = _figure(1.15 * len(samples) + 0.9, 1.35 * (nearest.shape[1] + 1))
    axes = figure.subplots(nearest.shape[1] + 1, len(samples), squeeze=False)
    for column, (sample, images) in enumerate(zip(samples, nearest, strict=True)):
        _draw(axes[0, column], sample, "")
        for row, (image, distance) in enumerate(zip(images, distances[column].tolist(), strict=True), 1):
            if np.isfinite(distance):
                _draw(axes[row, column], image, f"{distance:.2f}")
            else:
                axes[row, column].set_axis_off()
    for row, title in enumerate(["generated", "nearest in\ntraining", *["next"] * (nearest.shape[1] - 1)]):
        axes[row, 0].set_axis_on()
        axes[row, 0].set_ylabel(title, fontsize=8)
    return _drawn(canvas)


def _draw(axis: Any, image: Tensor, caption: str) -> None:
    picture = np.asarray(to_picture(to_uint8(image[None])[0]))
    axis.imshow(picture, cmap="gray" if picture.ndim == 2 else None, vmin=0, vmax=255, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_xlabel(caption, fontsize=8, labelpad=2)
    axis.spines[:].set_visible(False)


def class_figure(generated: Tensor, real: Tensor, names: Sequence[str], *, title: str = "") -> Image.Image:
    """Draw shares of classes as bars: of generated samples, with standard errors, beside those of real samples.

    Args:
        generated, real: number of samples of each class, (K,).
        names: names of the classes.
    """
    n = max(int(generated.sum()), 1)
    ours, theirs = (counts.double().numpy() / max(int(counts.sum()), 1) for counts in (generated, real))
    places, few = np.arange(len(ours)), len(ours) <= NAMED
    figure, canvas = _figure(min(max(5.0, 0.35 * len(ours) + 1.5), 14.0), 3.2)
    axis = figure.subplots()
    axis.bar(places - 0.2, theirs, 0.4, color=REAL, label="real (training labels)")
    errors = [sqrt(share * (1 - share) / n) for share in ours]
    bars = {"yerr": errors, "error_kw": {"elinewidth": 0.8}} if few else {}
    axis.bar(places + 0.2, ours, 0.4, color=GENERATED, label=f"generated ({n:,}, by the classifier)", **bars)
    axis.set_ylabel("share", fontsize=8)
    axis.set_title(title, fontsize=9)
    axis.tick_params(labelsize=8)
    if few:
        steep = sum(len(name) for name in names) > 7 * figure.get_figwidth()
        axis.set_xticks(places, names, rotation=60 if steep else 0, ha="right" if steep else "center")
    else:
        axis.set_xlabel("class", fontsize=8)
    axis.margins(x=0.01, y=0.2)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper right", fontsize=8, ncols=2, frameon=False)
    return _drawn(canvas)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    return figure, FigureCanvasAgg(figure)


def _drawn(canvas: Any) -> Image.Image:
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
