"""Differentiable augmentation (DiffAugment, ADA) of real and generated images, against overfitting of D.

Zhao et al. 2020 (2006.10738), section 4: D(T(x)) and D(T(G(z))) in both players' losses. T is differentiable, so
gradients reach G through it. Unlike with augmented data, G does not learn to generate augmented images. `Adaptive` sets
the amount of augmentation by the overfitting of D (ADA, Karras et al. 2020, 2006.06676).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import cos, pi
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from lightning_gans.settings import Ge, Le, Positive, Share


class Augmentation(ABC):
    """Base class of augmentations: (N, C, H, W) and (N, numbers) from U(0, 1) -> (N, C, H, W), differentiable.

    numbers: uniform random numbers per image.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)
    numbers: int

    @abstractmethod
    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor: ...


def _check(augmentation: object, x: Tensor) -> None:
    if x.dim() != 4:
        raise ValueError(f"{type(augmentation).__name__} changes images (N, C, H, W); it was given {tuple(x.shape)}.")


class Translation(Augmentation):
    """Translation of each image by a whole number of pixels, up to `ratio` of its size each way.

    The paper's ratio: 1/8. The authors' code fills with zeros.

    Args:
        ratio: largest shift, as a share of the image.
        fill: values of the pixels that a shift uncovers: "edge", the nearest pixel of the image; "zero", 0, mid-grey.

    Raises:
        ValueError: the inputs are not images, or the fill is unknown.
    """

    numbers = 2

    def __init__(self, *, ratio: Annotated[float, Ge(0), Le(0.5)], fill: Literal["edge", "zero"] = "edge") -> None:
        if fill not in ("edge", "zero"):
            raise ValueError(f"fill={fill!r}: a shifted image is filled from its edge or with zero")
        self.ratio, self.fill = ratio, fill

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor:
        _check(self, x)
        reach, (height, width) = round(self.ratio * x.shape[-1]), x.shape[2:]
        shifts = (uniform * (2 * reach + 1)).long() - reach
        rows = shifts[:, :1] + torch.arange(height, device=x.device)
        columns = shifts[:, 1:] + torch.arange(width, device=x.device)
        inside_rows, inside_columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        places = (width * inside_rows[:, :, None] + inside_columns[:, None, :]).flatten(1)
        moved = x.flatten(2).gather(2, places[:, None].expand(-1, x.shape[1], -1)).view(x.shape)
        if self.fill == "zero":
            outside = (rows != inside_rows)[:, :, None] | (columns != inside_columns)[:, None, :]
            moved = moved.masked_fill(outside[:, None], 0)
        return moved


class Color(Augmentation):
    """Random brightness, saturation and contrast, as in the authors' code.

    Brightness: x + U(-1/2, 1/2). Saturation: colours U(0, 2) times as far from each pixel's grey. Contrast: pixels
    U(1/2, 3/2) times as far from the image's mean.

    Raises:
        ValueError: the inputs are not images.
    """

    numbers = 3

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor:
        _check(self, x)
        brightness, saturation, contrast = (number.to(x).view(-1, 1, 1, 1) for number in uniform.unbind(1))
        x = x + (brightness - 0.5)
        x = torch.lerp(x.mean(1, keepdim=True), x, 2 * saturation)
        return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast + 0.5)


class Cutout(Augmentation):
    """Cutout: a grey square (0) of `ratio` of the image's size, centred on any pixel.

    The paper's ratio: 1/2.

    Args:
        ratio: side of the square, as a share of the image.

    Raises:
        ValueError: the inputs are not images.
    """

    numbers = 2

    def __init__(self, *, ratio: Share) -> None:
        self.ratio = ratio

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor:
        _check(self, x)
        rows = self._within(x.shape[2], uniform[:, 0])
        columns = self._within(x.shape[3], uniform[:, 1])
        return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)

    def _within(self, size: int, uniform: Tensor) -> Tensor:
        """Mask (N, size) of the rows, or columns, that the square covers."""
        side = round(self.ratio * size)
        first = (uniform * (size + 1 - side % 2)).long()[:, None] - side // 2
        places = torch.arange(size, device=uniform.device)
        return (first <= places) & (places < first + side)


class Composition(Augmentation):
    """Augmentations in sequence, each with separate random numbers.

    Args:
        parts: augmentations, applied in this order.
    """

    def __init__(self, *, parts: Sequence[Augmentation]) -> None:
        self.parts = list(parts)
        self.numbers = sum(part.numbers for part in self.parts)

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor:
        for part, numbers in zip(self.parts, uniform.split([part.numbers for part in self.parts], dim=1), strict=True):
            x = part(x, numbers)
        return x


class Sometimes(nn.Module):
    """Augmentations applied with probability p each, image by image.

    Args:
        parts: augmentations, in this order.

    Attributes:
        p: () in [0, 1], initially 0; saved in checkpoints, equal on all ranks.
    """

    contents: ClassVar[tuple[str, ...]] = ("images",)
    p: Tensor

    def __init__(self, *, parts: Sequence[Augmentation]) -> None:
        super().__init__()
        self.parts = list(parts)
        self.numbers = sum(1 + part.numbers for part in self.parts)
        self.register_buffer("p", torch.zeros(()))

    def forward(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Images (N, C, H, W) and numbers (N, numbers) in [0, 1) -> images (N, C, H, W)."""
        for part, numbers in zip(
            self.parts, uniform.split([1 + part.numbers for part in self.parts], dim=1), strict=True
        ):
            chosen = (numbers[:, 0] < self.p).view(-1, *[1] * (x.dim() - 1))
            x = torch.where(chosen, part(x, numbers[:, 1:]), x)
        return x


class Rising(Sometimes):
    """Schedule of p along half a cosine from 0 to `end` over the run (R3GAN, Huang et al. 2025, 2501.05441: to 0.55).

    Args:
        parts: augmentations, applied in this order, each with probability p.
        end: p at the end of the run.
    """

    def __init__(self, *, parts: Sequence[Augmentation], end: Share) -> None:
        super().__init__(parts=parts)
        self.end = end

    def follow(self, progress: float) -> None:
        """Set p for this share of the run, in [0, 1]."""
        self.p.fill_(self.end * (1 - cos(pi * progress)) / 2)


class Adaptive(Sometimes):
    """Adaptive p by the overfitting of D (ADA: Karras et al. 2020, section 3).

    r = E sign(D(x)), over the real samples that D saw, is near 0 if D is at chance and 1 if D has memorised them. p
    starts at 0; after each step of D it rises if r is above `target` and falls if it is below. The paper adjusts p
    after every fourth step, by four times as much.

    Args:
        parts: augmentations, applied in this order, each with probability p.
        target: target of r, the mean sign of D's logits on real samples; 0.6 in the paper.
        speed: images that take p from 0 to 1; 500,000 in the paper.
    """

    batch: ClassVar[str] = "SampleBatch"  # it adapts to a single D
    signs: Tensor

    def __init__(
        self, *, parts: Sequence[Augmentation], target: Annotated[float, Ge(-1), Le(1)], speed: Positive
    ) -> None:
        super().__init__(parts=parts)
        self.target, self.speed = target, speed
        self.register_buffer("signs", torch.zeros(2), persistent=False)  # sum of means and their count, in this step

    @torch.no_grad()
    def observe(self, margins: Tensor) -> None:
        """Record the margins of D's logits on real samples, any shape, above the real-fake boundary."""
        self.signs += torch.stack([margins.sign().mean(), torch.ones_like(self.p)]).to(self.signs)

    @torch.no_grad()
    def adapt(self, average: Callable[[Tensor], Tensor], *, images: int) -> None:
        """Adjust p by the margins recorded since the last call; `average` is over ranks, `images` over all of them."""
        total, count = average(self.signs).unbind()
        r = total / count.clamp_min(1)
        self.p = (self.p + (r - self.target).sign() * (count > 0) * (images / self.speed)).clamp(0, 1)
        self.signs.zero_()
