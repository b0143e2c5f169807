"""Figure of a run's curves: losses and gradient norms of each player, and the headline metric."""

import io
from typing import Any

from experiments.report import curves
from experiments.trained.comparison import Run
from lightning_gans.core.received import printable

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito: safe for colour blindness
POINTS = 1000  # of a curve, drawn 400 pixels wide
PLAYERS = 6  # most players that are drawn
QUIET = "#5d646d"


def chart(run: Run) -> bytes | None:
    """Return a PNG with at most three panels; None if the run has recorded nothing."""
    # matplotlib takes half a second to import; pyplot is avoided because of its global state
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    losses = curves.losses_of(run, 2 * POINTS).thinned(POINTS)
    metrics = curves.metrics_of(run, 2 * POINTS).thinned(POINTS)
    players = dict(list(curves.players_of(list(losses.columns)).items())[:PLAYERS])
    panels = [
        (title, [(player, losses, names[k]) for player, names in players.items() if names[k] in losses.columns])
        for k, title in enumerate(("loss", "gradient norm"))
    ]
    if (headline := _headline(run, metrics)) is not None:
        panels.append((headline, [("", metrics, headline)]))
    panels = [(title, drawn) for title, drawn in panels if drawn]
    if not panels:
        return None
    figure = Figure(figsize=(4.2 * len(panels), 3.1), dpi=100)
    FigureCanvasAgg(figure)
    width = 4.2 * len(panels)
    figure.subplots_adjust(left=0.55 / width, right=1 - 0.15 / width, top=0.82, bottom=0.15, wspace=0.2)
    for axis, (title, drawn) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axis, title, drawn, run.floor(title)[0])
    figure.suptitle(_plain(printable(run.path.name, 100)), x=0.55 / width, y=0.97, ha="left", fontsize=10)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def _headline(run: Run, metrics: curves.Curves) -> str | None:
    """Return the metric that selects the best checkpoint, or else the first metric."""
    said = run.summary.all.get("headline")
    return said if isinstance(said, str) and said in metrics.columns else next(iter(metrics.columns), None)


def _draw(axis: Any, title: str, drawn: list[tuple[str, curves.Curves, str]], floor: float | None) -> None:
    for colour, (label, table, name) in zip(COLOURS, drawn, strict=False):
        known = [(x, y) for x, y in zip(table.axes["iteration"], table.columns[name], strict=True) if y is not None]
        axis.plot(*zip(*known, strict=True), color=colour, linewidth=1.2, label=_plain(label))
        if len(known) < 30:
            axis.plot(*zip(*known, strict=True), ".", color=colour, markersize=5)
    if floor is not None:
        axis.axhline(floor, color=QUIET, linewidth=0.9, linestyle="--", label="real data")
    from matplotlib.ticker import EngFormatter

    axis.set_title(_plain(title), fontsize=9, loc="left", color=QUIET)
    axis.set_xlabel("iterations", fontsize=8, color=QUIET)
    axis.xaxis.set_major_formatter(EngFormatter(sep=""))
    axis.tick_params(labelsize=8, colors=QUIET, length=0)
    axis.grid(color="#e2e4e7", linewidth=0.7)
    axis.set_axisbelow(True)
    axis.spines[:].set_visible(False)
    if any(label for label, *_ in drawn) or floor is not None:
        above = {"loc": "lower right", "bbox_to_anchor": (1.02, 0.985), "borderaxespad": 0.2, "ncols": len(drawn) + 1}
        axis.legend(fontsize=8, frameon=False, handlelength=1.2, columnspacing=1.2, **above)


def _plain(text: str) -> str:
    """Escape text so that matplotlib does not parse it as a formula."""
    return text.replace("$", r"\$")
