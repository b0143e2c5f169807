"""Differentiable augmentation: what D sees is moved about, real and generated alike, lest D learn it by heart."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


def translate(x: Tensor, reach: int) -> Tensor:
    """Shift each image (N, C, H, W) by up to `reach` pixels either way, zeros of the padded edge repeated inwards.

    Shifts come from the global generator, which a game keys by iteration.
    """
    n, _, height, width = x.shape
    shifts = torch.randint(0, 2 * reach + 1, (2, n), device=x.device)
    padded = pad(x, [reach] * 4, mode="replicate")
    rows = shifts[0][:, None] + torch.arange(height, device=x.device)
    columns = shifts[1][:, None] + torch.arange(width, device=x.device)
    sample = torch.arange(n, device=x.device)[:, None, None]
    # (N, H, W, C) by advanced indexing, channels back in front
    return padded.permute(0, 2, 3, 1)[sample, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class DiffAugment(nn.Module):
    """D(T(x)) with T a random translation (Zhao et al. 2020, 2006.10738, section 4; translation policy, ratio 1/8).

    T is differentiable, so G learns through it and does not learn to make translated images, unlike augmented data.
    images (N, C, H, W) -> whatever `discriminator` gives. In eval mode, no augmentation.
    """

    def __init__(self, *, discriminator: nn.Module, translation: float) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.translation = translation

    def forward(self, x: Tensor) -> Tensor:
        reach = round(self.translation * x.shape[-1])
        logits: Tensor = self.discriminator(translate(x, reach) if self.training and reach else x)
        return logits
