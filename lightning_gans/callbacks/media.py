"""Pictures of samples: grids of images, points on the plane, animations. Needs no Lightning."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightning_gans.core.files import atomic, write_atomically

GAP = 2  # pixels between cells
CELL = 64  # pixels that a cell should have at least
LONGEST = 4096  # pixels: a grid whose side would be longer is not enlarged

FRAMES = 40  # of an animation at most
FRAME_SIDE = 600  # pixels at most: eight cells of 64 fit as they are
FRAME_MS, LAST_MS = 120, 2500  # a viewer wants to rest on where it ended

REAL, GENERATED, MODE = "#b8b8b8", "#1f5fbf", "#d03030"


def to_uint8(x: Tensor) -> Tensor:
    """Images (N, C, H, W), float in [-1, 1], to uint8: rounded, clamped; NaN becomes 0. uint8 stays as it is."""
    if x.dtype == torch.uint8:
        return x
    return ((x.detach().float() + 1) * 127.5).nan_to_num(nan=0.0).round_().clamp_(0, 255).to(torch.uint8)


def is_picture(sample_shape: Sequence[int]) -> bool:
    """Whether samples of this shape can be shown: images (C, H, W), or points on the line or the plane, (1,), (2,)."""
    return len(sample_shape) == 3 or tuple(sample_shape) in ((1,), (2,))


def to_picture(x: Tensor) -> Image.Image:
    """One image (C, H, W), uint8: grey for C = 1, RGB for C = 3, the grey mean of the channels for any other C."""
    if x.shape[0] not in (1, 3):
        x = x.float().mean(0, keepdim=True).round().to(torch.uint8)
    array = x.cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def image_grid(x: Tensor, columns: int) -> Image.Image:
    """Images (N, C, H, W), float in [-1, 1] or uint8, N > 0, row by row with white gaps of 2 px between them.

    Small images are enlarged by a whole factor, pixel by pixel, until a cell has 64 px.
    """
    cells = to_uint8(x).cpu()
    n, channels, height, width = cells.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    longest = max(rows * height, columns * width)
    factor = max(1, min(math.ceil(CELL / max(height, width)), LONGEST // longest))
    height, width = height * factor, width * factor
    down, right = height + GAP, width + GAP
    canvas = torch.full((channels, rows * down - GAP, columns * right - GAP), 255, dtype=torch.uint8)
    for i, cell in enumerate(cells):
        top, left = i // columns * down, i % columns * right
        enlarged = cell.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
        canvas[:, top : top + height, left : left + width] = enlarged
    return to_picture(canvas)


def axes_of(points: Tensor) -> Tensor:
    """Fixed axes for points (N, d) with a margin: (d, 2), lower and upper end; the same length in every direction."""
    finite = points.detach().cpu().double()
    finite = finite[finite.isfinite().all(1)]
    if not len(finite):
        finite = torch.zeros(1, points.shape[1], dtype=torch.float64)
    low, high = finite.amin(0), finite.amax(0)
    half = (high - low).max() * 0.62
    half = half if half > 0 else torch.ones(()).double()
    middle = (low + high) / 2
    return torch.stack([middle - half, middle + half], dim=1)


def planar_figure(
    samples: Tensor,
    real: Tensor | None = None,
    modes: Tensor | None = None,
    *,
    title: str = "",
    paths: Tensor | None = None,
) -> Image.Image:
    """Points (N, d) as a picture of 500 x 500 px: scattered for d = 2, as a histogram for d = 1.

    Args:
        samples: what was generated; none, (0, d), for a picture of the real points alone.
        real: drawn behind it, (M, d); the axes are chosen for these, and do not follow the samples.
        modes: centres (K, d), marked with a cross.
        paths: lines, (R, S, 2): R paths of S points.

    Raises:
        ValueError: d is neither 1 nor 2.
    """
    # matplotlib takes half a second to import, and images do without; no pyplot, so no state that outlives the call
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dimension = samples.shape[1]
    if samples.dim() != 2 or dimension not in (1, 2):
        raise ValueError(f"Points on the line or the plane are (N, 1) or (N, 2); these are {tuple(samples.shape)}.")
    axes = axes_of(samples if real is None else real)
    figure = Figure(figsize=(5, 5), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib types some of its methods only
    plot = figure.add_axes((0.1, 0.07, 0.87, 0.87))
    (_histogram if dimension == 1 else _scatter)(plot, samples, real, modes, axes)
    for path in () if paths is None else paths.detach().cpu().numpy():
        plot.plot(*path.T, color=GENERATED, linewidth=1)
    outside = len(samples) - int(_inside(samples, axes).sum())
    if outside:
        share = f"{outside:,} of {len(samples):,} points lie outside"
        plot.text(0.01, 0.985, share, transform=plot.transAxes, fontsize=8, verticalalignment="top")
    figure.text(0.535, 0.975, title, fontsize=10, horizontalalignment="center", verticalalignment="center")
    plot.tick_params(labelsize=8)
    plot.spines[["top", "right"]].set_visible(False)
    handles, _ = plot.get_legend_handles_labels()
    if len(handles) > 1:
        plot.legend(loc="upper right", fontsize=8, framealpha=0.9, markerscale=1.5)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _inside(points: Tensor, axes: Tensor) -> Tensor:
    exact = points.detach().cpu().double()
    return ((exact >= axes[:, 0]) & (exact <= axes[:, 1])).all(1)


def _scatter(plot: Any, samples: Tensor, real: Tensor | None, modes: Tensor | None, axes: Tensor) -> None:
    # Lines without a line: a tenth of the time of plot.scatter
    dots: dict[str, Any] = {"linestyle": "none", "marker": ".", "markeredgewidth": 0}
    if real is not None:
        plot.plot(*real.detach().cpu().numpy().T, color=REAL, markersize=4, label="real", **dots)
    if len(samples):
        made = samples.detach().cpu().numpy().T
        plot.plot(*made, color=GENERATED, markersize=3, alpha=0.6, label="generated", **dots)
    if modes is not None:
        plot.plot(*modes.cpu().numpy().T, "+", color=MODE, markersize=7, markeredgewidth=0.8, label="modes")
    plot.set(xlim=axes[0].tolist(), ylim=axes[1].tolist(), aspect="equal")


def _histogram(plot: Any, samples: Tensor, real: Tensor | None, modes: Tensor | None, axes: Tensor) -> None:
    low, high = axes[0].tolist()
    edges = np.linspace(low, high, 61)
    if real is not None:
        plot.stairs(_density(real, edges), edges, fill=True, color=REAL, label="real")
    if len(samples):
        plot.stairs(_density(samples, edges), edges, color=GENERATED, linewidth=1.5, label="generated")
    for mode in () if modes is None else modes.flatten().tolist():
        plot.axvline(mode, color=MODE, linewidth=0.8)
    plot.set(xlim=(low, high), ylabel="density")
    plot.yaxis.label.set_size(8)


def _density(points: Tensor, edges: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Share of all points per unit of length in each bin; points beyond the edges count as well."""
    counts, _ = np.histogram(points.detach().cpu().double().numpy(), edges)
    return np.asarray(counts / (max(len(points), 1) * np.diff(edges)))


def png(image: Image.Image) -> bytes:
    """The picture as a PNG; equal pictures give equal bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def save_png(image: Image.Image, path: str | Path) -> Path:
    """Write the picture, whole or not at all; raises UserError where that fails."""
    write_atomically(path, png(image))
    return Path(path)


def gif(paths: Sequence[Path], out: str | Path, *, frames: int = FRAMES, side: int = FRAME_SIDE) -> Path:
    """An animation of pictures in the given order, the last one held, written whole or not at all.

    frames: how many at most; of more pictures, as many are taken at even distances, the first and the last among them.
    side: pixels of a frame's longer side at most.

    Raises:
        ValueError: no pictures.
    """
    if not paths:
        raise ValueError("An animation needs at least one picture.")
    count = min(len(paths), frames)
    chosen = [paths[round(i * (len(paths) - 1) / max(count - 1, 1))] for i in range(count - 1)] + [paths[-1]]
    pictures = [_frame(path, side) for path in chosen]
    if pictures[-1].mode == "RGB":
        # One palette for all: colours do not flicker, and finding 256 of them takes longer than all the rest.
        colours = _side_by_side([pictures[0], pictures[count // 2], pictures[-1]]).quantize(256)
        pictures = [picture.quantize(palette=colours, dither=Image.Dither.NONE) for picture in pictures]
    first, *rest = pictures
    with atomic(out) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=rest,
            duration=[FRAME_MS] * len(rest) + [LAST_MS],
            loop=0,
        )
    return Path(out)


def _frame(path: Path, side: int) -> Image.Image:
    with Image.open(path) as picture:
        picture.thumbnail((side, side), Image.Resampling.BOX)
        return picture.copy()


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    return Image.fromarray(
        np.concatenate([np.asarray(picture.resize(pictures[0].size)) for picture in pictures], axis=1)
    )


def log_picture(trainer: Any, name: str, path: Path, iteration: int) -> None:
    """Hand a picture's file to every logger that takes pictures; to be called where it was written, on rank 0."""
    for logger in trainer.loggers:
        if hasattr(logger, "log_picture"):
            logger.log_picture(name, path, iteration)
