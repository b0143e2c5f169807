"""Training of the small classifier: the recipe and its loop."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_gans.core.activity import activity
from lightning_gans.core.data import SampleSplit
from lightning_gans.core.rng import stream
from lightning_gans.extractors.base import Progress
from lightning_gans.networks.classifier import ConvClassifier


@dataclass(frozen=True)
class Recipe:
    """Training settings of the classifier: AdamW, one cycle of the learning rate, slight geometric augmentation.

    version: raise it when code here changes the results; every cached classifier is then trained again.
    passes: passes over the training images, but at least `least` and at most `most` images in total.
    shift, zoom: largest, as a share of the image; rotation: largest, in radians.
    held_bytes: memory for images as bytes; of a larger set, a random part is used.
    """

    version: int = 1
    passes: float = 2.0
    least: int = 12_000
    most: int = 200_000
    batch: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    shift: float = 0.1
    zoom: float = 0.1
    rotation: float = 0.15
    held_bytes: int = 2**30

    def steps(self, images: int) -> int:
        """Optimizer steps for a training set of this size."""
        total = min(max(self.passes * images, self.least), self.most)
        return max(round(total / min(self.batch, images)), 6)  # with 5, OneCycleLR divides by its 0 warm-up steps


def hold(split: SampleSplit, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Load training images as uint8 (M, C, S, S) and labels (M,): all of them, or a random part that fits."""
    images, labels, chosen, seen = [], [], None, 0
    for batch in split.batches(256):
        if chosen is None:
            room = max(recipe.held_bytes // batch.x[0].numel(), recipe.batch)
            order = torch.randperm(len(split), generator=stream("classifier", "part"))
            chosen = torch.zeros(len(split), dtype=torch.bool)
            chosen[order[:room]] = True
        assert batch.label is not None
        rows = chosen[seen : seen + len(batch.x)]
        seen += len(batch.x)
        images.append(((batch.x.cpu()[rows] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))
        labels.append(batch.label.cpu()[rows])
    return torch.cat(images), torch.cat(labels)


def fit(
    network: ConvClassifier, x: Tensor, labels: Tensor, recipe: Recipe, device: torch.device, progress: Progress | None
) -> ConvClassifier:
    """Train `network` on uint8 images x (N, C, S, S) and labels (N,), with draws from the global random state."""
    network = network.to(device, torch.float32).to(memory_format=torch.channels_last).train()  # half the time on a CPU
    steps, batch = recipe.steps(len(x)), min(recipe.batch, len(x))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=device.type != "mps"
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps, pct_start=0.2)
    order = torch.empty(0, dtype=torch.int64)
    with activity("training a classifier", steps) as report:
        for step in range(steps):
            if len(order) < batch:
                order = torch.randperm(len(x))
            rows, order = order[:batch], order[batch:]
            images = _moved(x[rows].to(device).float() / 127.5 - 1, recipe)
            loss = F.cross_entropy(network(images), labels[rows].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            report(step + 1)
            if progress is not None:
                progress((step + 1) / steps)
    return network.eval()


def _moved(x: Tensor, recipe: Recipe) -> Tensor:
    """Rotate, zoom and shift each image of (N, C, S, S) slightly, with draws from the global random state."""
    angle, zoom, right, down = torch.rand(4, len(x), dtype=torch.float32).mul(2).sub(1).to(x.device)
    cosine, sine = (angle * recipe.rotation).cos(), (angle * recipe.rotation).sin()
    scale = 1 + zoom * recipe.zoom
    # The grid spans [-1, 1], so a share of the image is twice that.
    first = torch.stack([scale * cosine, -scale * sine, right * 2 * recipe.shift], 1)
    second = torch.stack([scale * sine, scale * cosine, down * 2 * recipe.shift], 1)
    grid = F.affine_grid(torch.stack([first, second], 1), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
