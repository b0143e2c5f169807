"""Differentiable augmentation: what D sees is moved about, real and generated alike, lest D learn the data by heart."""

import torch
from torch import Tensor


class Translation:
    """Shift each image by a whole number of pixels, up to `ratio` of its size each way, edges repeated.

    Zhao et al. 2020 (2006.10738), section 4: D(T(x)) and D(T(G(z))) in both players' losses. T is differentiable, so G
    learns through it and, unlike with augmented data, does not learn to make shifted images. Ratio there: 1/8.
    """

    numbers = 2  # uniform random numbers an image takes

    def __init__(self, *, ratio: float) -> None:
        self.ratio = ratio

    def __call__(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Images (N, C, H, W) and numbers (N, 2) in [0, 1) -> images (N, C, H, W).

        Raises:
            ValueError: x are no images.
        """
        if x.dim() != 4:
            raise ValueError(f"Translation moves images (N, C, H, W); it was given {tuple(x.shape)}.")
        reach, (height, width) = round(self.ratio * x.shape[-1]), x.shape[2:]
        shifts = (uniform * (2 * reach + 1)).long() - reach
        rows = (shifts[:, :1] + torch.arange(height, device=x.device)).clamp(0, height - 1)
        columns = (shifts[:, 1:] + torch.arange(width, device=x.device)).clamp(0, width - 1)
        places = (width * rows[:, :, None] + columns[:, None, :]).flatten(1)
        return x.flatten(2).gather(2, places[:, None].expand(-1, x.shape[1], -1)).view(x.shape)
