"""Figures of points on the line and the plane: samples with real points and D's level sets, and energy surfaces."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightning_gans.core.protocols import Descends

REAL, GENERATED, MODE = "#b8b8b8", "#1f5fbf", "#d03030"
JUDGED_REAL, JUDGED_GENERATED = "#e7c296", "#b4addb"  # orange and violet, safe for colour blindness
CURVE = "#c9781c"  # colour of a one-dimensional discriminator
RASTER = 120  # points of a surface along each side
LEVELS = 12  # level sets of a discriminator


class Discriminator(NamedTuple):
    """Discriminator. logits: points (N, d) -> (N,), or None. boundary: the logit between real and generated."""

    logits: Callable[[Tensor], Tensor | None]
    boundary: float | None = None


def axes_of(points: Tensor) -> Tensor:
    """Return axes for points (N, d) with a margin: (d, 2), lower and upper end; equal lengths in every direction."""
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
    discriminator: Discriminator | None = None,
    axes: Tensor | None = None,
) -> Image.Image:
    """Draw points (N, d) as a picture of 500 x 500 px: scattered for d = 2, as a histogram for d = 1.

    Args:
        samples: generated points; none, (0, d), for a picture of the real points only.
        real: points (M, d), drawn behind the samples; they alone determine the axes.
        modes: centres (K, d), marked with a cross.
        paths: lines, (R, S, 2): R paths of S points.
        discriminator: drawn below the points as level sets of its logits, from those of generated samples (violet) to
            those of real samples (orange), with a line at the boundary; a curve for d = 1.
        axes: result of `axes_of`, if they are chosen for other points.

    Raises:
        ValueError: d is neither 1 nor 2.
    """
    # matplotlib takes half a second to import, and images do not need it. No pyplot, so that no global state remains.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dimension = samples.shape[1]
    if samples.dim() != 2 or dimension not in (1, 2):
        raise ValueError(f"Points on the line or the plane are (N, 1) or (N, 2); these are {tuple(samples.shape)}.")
    axes = axes_of(samples if real is None else real) if axes is None else axes
    figure = Figure(figsize=(5, 5), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib types some of its methods only
    plot = figure.add_axes((0.1, 0.07, 0.87, 0.87))
    (_histogram if dimension == 1 else _scatter)(plot, samples, real, modes, axes)
    if discriminator is not None:
        (_curve if dimension == 1 else _level_sets)(plot, discriminator, axes)
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
    # Markers without lines: a tenth of the time of plot.scatter
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


def _level_sets(plot: Any, discriminator: Discriminator, axes: Tensor) -> None:
    """Draw the level sets. They divide the range of the logits in this figure, on both sides of the boundary."""
    from matplotlib.colors import LinearSegmentedColormap

    x, y = (torch.linspace(low, high, RASTER) for low, high in axes.tolist())
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    found = discriminator.logits(points.reshape(-1, 2))
    if found is None or not found.isfinite().all():
        return
    logits = found.view(RASTER, RASTER).double().numpy()
    boundary = discriminator.boundary
    middle = float(np.median(logits)) if boundary is None else boundary
    reach = float(np.quantile(abs(logits - middle), 0.98)) or 1e-6
    colours = LinearSegmentedColormap.from_list("discriminator", [JUDGED_GENERATED, "white", JUDGED_REAL])
    levels = np.linspace(middle - reach, middle + reach, LEVELS + 1)
    grid = (x.numpy(), y.numpy(), logits)
    plot.contourf(*grid, levels=levels, cmap=colours, extend="both", zorder=0)
    for colour, label in ((JUDGED_REAL, "real to D"), (JUDGED_GENERATED, "generated to D")):
        plot.plot([], [], "s", color=colour, markersize=5, label=label)
    if boundary is not None and logits.min() < boundary < logits.max():
        plot.contour(*grid, levels=[boundary], colors="#404040", linewidths=0.9, zorder=0.5)


def _curve(plot: Any, discriminator: Discriminator, axes: Tensor) -> None:
    """Draw D as the probability that a point is real (Goodfellow et al. 2014, Figure 1), or a critic over its range."""
    low, high = axes[0].tolist()
    x = torch.linspace(low, high, 4 * RASTER)
    found = discriminator.logits(x[:, None].float())
    if found is None or not found.isfinite().all():
        return
    logits = found.double()
    if discriminator.boundary is None:
        least, reach = logits.min(), (logits.max() - logits.min()).clamp(min=1e-12)
        value, name = (logits - least) / reach, "critic (scaled)"
    else:
        value, name = (logits - discriminator.boundary).sigmoid(), "D(x)"
    plot.set_position((0.1, 0.07, 0.79, 0.87))  # leaves room for the labels of the second axis
    right = plot.twinx()
    right.plot(x.numpy(), value.numpy(), color=CURVE, linewidth=1.2, linestyle="--")
    right.set(ylim=(-0.02, 1.3), yticks=[0, 0.5, 1])
    right.set_ylabel(name, fontsize=8, color=CURVE)
    right.tick_params(labelsize=8)
    right.spines[["top", "left"]].set_visible(False)
    plot.plot([], [], color=CURVE, linewidth=1.2, linestyle="--", label=name)


def energy_figure(model: Descends, real: Tensor, paths: Tensor, *, title: str = "") -> Image.Image:
    """Draw the energy over the plane, 500 x 500 px: dark where it is low.

    Args:
        model: energy of points (N, 2).
        real: points (N, ..., 2), which determine the axes.
        paths: paths of chains, (R, S, 2).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    axes = axes_of(real.reshape(-1, 2))
    x, y = (torch.linspace(low, high, RASTER) for low, high in axes.tolist())
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)
    like = next(parameter for parameter in model.parameters())  # type: ignore[attr-defined]
    with torch.no_grad():
        energy = model.energy(points.reshape(-1, 2).to(like)).view(RASTER, RASTER).double().cpu().numpy()
    figure = Figure(figsize=(5, 5), dpi=100)
    canvas: Any = FigureCanvasAgg(figure)
    plot = figure.add_axes((0.1, 0.07, 0.87, 0.87))
    # Basins have a depth of 1 % of the range: ranks make them visible, and high energies far away do not hide them.
    rank = energy.ravel().argsort().argsort().reshape(energy.shape)
    extent = (*axes[0].tolist(), *axes[1].tolist())
    plot.imshow(rank, origin="lower", extent=extent, cmap="magma", interpolation="bilinear", aspect="equal")
    dots: dict[str, Any] = {"linestyle": "none", "marker": ".", "markeredgewidth": 0}
    if real.dim() == 2:
        plot.plot(*real.cpu().numpy().T, color=REAL, markersize=2, **dots)
    for path in paths.numpy():
        plot.plot(*path.T, color="white", linewidth=0.7)
    plot.plot(*paths[:, -1].numpy().T, color=GENERATED, markersize=8, **dots)
    plot.set(xlim=axes[0].tolist(), ylim=axes[1].tolist())
    plot.tick_params(labelsize=8)
    figure.text(0.535, 0.975, title, fontsize=10, horizontalalignment="center", verticalalignment="center")
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
