"""Differentiable augmentation: what D sees is moved about, real and generated alike, lest D learn the data by heart."""

import torch
from torch import Tensor
from torch.nn.functional import pad


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
        reach = round(self.ratio * x.shape[-1])
        shifts = (uniform * (2 * reach + 1)).long()
        padded = pad(x, [reach] * 4, mode="replicate")
        rows = shifts[:, :1] + torch.arange(x.shape[2], device=x.device)
        columns = shifts[:, 1:] + torch.arange(x.shape[3], device=x.device)
        sample = torch.arange(len(x), device=x.device)[:, None, None]
        # channels go last for the indexing and come back
        return padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
