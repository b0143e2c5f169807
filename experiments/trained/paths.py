"""Latent interpolations and traversals of codes from the prior: path=, traverse=, gif= and video=."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.trained.inference import Made, check_finite
from lightning_gans.core.errors import UserError

# Nothing above imports torch, so that invalid arguments are reported immediately.
if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

PATHS = ("spherical", "linear")
ROWS = 8  # default number of paths
FRAMES = 48  # default steps of an animation
AXES = 10  # rows of a traversal: the first numbers of a code
TITLES = {"path": "along paths between codes", "traverse": "along numbers of a code"}
MOST = 16_384  # samples of all paths together, held in memory


def need(key: str, model: Any, run: Path) -> None:
    """Refuse a model that does not decode codes of a prior; `key` is the argument that needs it, such as path=linear.

    Raises:
        UserError: the model does not; the message lists models that do.
    """
    from lightning_gans.core.protocols import SamplesFromCodes

    if not isinstance(model, SamplesFromCodes):
        raise UserError(
            f"{key}: the {type(model).__name__} of run={run} makes samples, but not out of codes of a prior. Leave it "
            "out, or name a run of a variant with a generator, as variant=dcgan."
        )


def make(model: Any, n: int, steps: int, *, path: str, seed: int, **chosen: Any) -> Made:
    """Return n rows of `steps` samples each. chosen: `label` and `truncation`, if given."""
    rows = model.interpolate(n, steps, seed=seed, path=path, **chosen)
    return Made(rows.flatten(0, 1), rows.flatten(0, 1), steps)


def traverse(model: Any, steps: int, *, seed: int, start: int, label: int | None = None) -> Made:
    """Traverse the code of sample `start` of `seed`: one row for each of its first AXES numbers, varied in turn.

    label: class of the sample for a class-conditional model; None: the class that `sample` draws.
    """
    import torch

    from lightning_gans.core.protocols import SamplesByLabel
    from lightning_gans.models.generative import CHUNK, evaluating

    axes = model.prior.axes(steps)[:AXES]
    with evaluating(model):
        z = model.codes(start // CHUNK, seed=seed)[start % CHUNK].repeat(len(axes), steps, 1)
        for row, (first, values) in zip(z, axes, strict=True):
            row[:, first : first + values.shape[1]] = values.to(z)
        told: tuple[Tensor, ...] = ()
        if isinstance(model, SamplesByLabel):
            of = model.labels(1, seed=seed, start=start) if label is None else torch.tensor([label])
            told = (of.to(z.device).expand(steps),)
        x = torch.cat([model(row, *told) for row in z])
    return Made(x, x, steps)


def draw_points(task: str, made: Made, picture: Path) -> None:
    """Draw interpolations or traversals of points in the plane.

    Raises:
        UserError: the points are not two-dimensional.
    """
    from lightning_gans.reporting.images import save_png
    from lightning_gans.reporting.planar import planar_figure

    check_finite(made.samples)
    points = made.samples.cpu()
    if tuple(points.shape[1:]) != (2,):
        raise UserError(
            f"{task}=: samples of shape {tuple(points.shape[1:])} make no picture. Say npz=paths.npz for the numbers."
        )
    save_png(planar_figure(points, title=TITLES[task], paths=points.unflatten(0, (-1, made.columns))), picture)


def animate(made: Made, *, gif: Path | None, video: Path | None) -> None:
    """Write the steps of all rows as frames of an animation that runs forwards and backwards.

    Raises:
        UserError: the samples are neither images nor points in the plane, or a file cannot be written.
    """
    from lightning_gans.reporting.animations import save_gif, save_video, there_and_back

    check_finite(made.cells)
    rows = made.cells.cpu().unflatten(0, (-1, made.columns))
    frames = there_and_back(_frames(rows))
    if gif is not None:
        save_gif(frames, gif)
    if video is not None:
        save_video(frames, video)


def _frames(rows: "Tensor") -> list["Image.Image"]:
    """Draw a picture of each step of (n, steps, *shape)."""
    from lightning_gans.reporting.images import image_grid
    from lightning_gans.reporting.planar import axes_of, planar_figure

    if rows.dim() == 5:
        return [image_grid(step, math.isqrt(len(step) - 1) + 1) for step in rows.unbind(1)]
    if rows.dim() == 3 and rows.shape[2] == 2:
        axes = axes_of(rows.flatten(0, 1))
        return [planar_figure(step, paths=rows, axes=axes) for step in rows.unbind(1)]
    raise UserError(
        f"gif= and video= are of images and of points of the plane, and these samples are of shape "
        f"{tuple(rows.shape[2:])}. Say npz=paths.npz for the numbers."
    )
