"""Two domains: what is measured of a model that classifies in both, and a picture of its features."""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from sklearn.manifold import TSNE
from torch import Tensor, nn

from lightning_gans.callbacks.classification import share_right
from lightning_gans.callbacks.media import log_picture, save_png
from lightning_gans.callbacks.splits import READ, domains_of, held_out, read
from lightning_gans.core.interruption import stopping
from lightning_gans.core.protocols import Classifies, TellsDomains

POINTS = 500  # of each domain in a picture
COLOURS = ("#1f5fbf", "#d03030")  # of source and target


def adaptation(model: nn.Module, data: Any, split: str) -> dict[str, float]:
    """`source_accuracy` and `target_accuracy` of the labels, `domain_accuracy` of the domains, which weigh the same.

    A domain without labels, or with another number of classes than the model, has no accuracy.
    """
    parts = domains_of(data)
    if parts is None or not isinstance(model, Classifies):
        return {}
    scores = {}
    for name, part in parts.items():
        asked = held_out(part, split)
        if asked.labels is not None and len(part.classes) == model.classes:
            scores[f"{name}_accuracy"] = share_right(model, asked)
    if isinstance(model, TellsDomains):
        shares = []
        for number, part in enumerate(parts.values()):
            asked = held_out(part, split)
            right = sum(int((model.domain(b.x).argmax(1) == number).sum()) for b in read(asked))
            shares.append(right / len(asked))
        scores["domain_accuracy"] = sum(shares) / 2
    return scores


class Embeddings(pl.Callback):
    """Draws the features of both domains on a plane, before and after training, into run_dir/samples.

    features-before.png and features-after.png: t-SNE (van der Maaten and Hinton 2008) of held-out samples, 500 of each
    domain, coloured by domain and by class. Drawn where the model tells domains apart and the data have two.

    Args:
        points: of each domain.
        seed: of t-SNE.
    """

    def __init__(self, *, points: int = POINTS, seed: int = 0) -> None:
        self.points, self.seed = points, seed

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if pl_module.iteration == 0:
            self._draw(trainer, pl_module, "before")

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if pl_module.iteration >= pl_module.iterations and not stopping():
            self._draw(trainer, pl_module, "after")

    def _draw(self, trainer: pl.Trainer, game: Any, when: str) -> None:
        parts = domains_of(getattr(trainer, "datamodule", None))
        if parts is None or not isinstance(game.model, TellsDomains):
            return
        model = game.evaluated_model()  # on every rank, so that they stay alike
        if trainer.is_global_zero:
            picture = embedding_figure(*features_of(model, parts, points=self.points), seed=self.seed)
            path = save_png(picture, Path(trainer.default_root_dir) / "samples" / f"features-{when}.png")
            log_picture(trainer, f"samples/features_{when}", path, game.iteration)


def features_of(model: TellsDomains, parts: dict[str, Any], *, points: int = POINTS) -> tuple[Tensor, Tensor, Tensor]:
    """Features (N, f) of held-out samples of both domains, their domain (N,) and label (N,), -1 where there is none."""
    features, domain, label = [], [], []
    for number, part in enumerate(parts.values()):
        for batch in part.split("validation").at_most(points).batches(READ):
            features.append(model.features(batch.x).float().cpu())
            domain.append(torch.full((len(batch.x),), number))
            label.append(torch.full((len(batch.x),), -1) if batch.label is None else batch.label.cpu())
    return torch.cat(features), torch.cat(domain), torch.cat(label)


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
    """The same on two axes of a figure."""
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
