"""t-SNE figures of the features of two domains."""

from typing import Any

import numpy as np
from PIL import Image
from sklearn.manifold import TSNE
from torch import Tensor

COLOURS = ("#1f5fbf", "#d03030")  # of source and target


def embedding_figure(features: Tensor, domain: Tensor, label: Tensor, *, seed: int = 0) -> Image.Image:
    """t-SNE of features (N, f), once coloured by domain (N,) and once by label (N,), side by side: 900 x 450 px."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), dpi=100, layout="constrained")
    canvas: Any = FigureCanvasAgg(figure)
    draw_embedding(figure.subplots(1, 2), features, domain, label, seed=seed)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def draw_embedding(axes: Any, features: Tensor, domain: Tensor, label: Tensor, *, seed: int = 0) -> None:
    """Draw the figure of `embedding_figure` on two axes."""
    tsne = TSNE(perplexity=min(30, (len(features) - 1) / 3), init="pca", random_state=seed)
    points = tsne.fit_transform(features.double().numpy())
    for number, (name, colour) in enumerate(zip(("source", "target"), COLOURS, strict=True)):
        axes[0].plot(*points[domain == number].T, ".", color=colour, markersize=4, label=name)
    axes[0].legend(loc="upper right", fontsize=8, markerscale=2)
    axes[0].set_title("by domain", fontsize=9)
    for number, marker in enumerate(("o", "x")):
        chosen = (domain == number) & (label >= 0)
        axes[1].scatter(*points[chosen].T, c=label[chosen], cmap="tab10", s=10, marker=marker, linewidths=0.7)
    axes[1].set_title("by class (target: crosses)", fontsize=9)
    for axis in axes:
        axis.set(xticks=[], yticks=[])
