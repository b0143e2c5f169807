"""Mean colours of an image's parts as its features, for images without labels and without a download."""

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from lightning_gans.core.batches import ConditionedBatch, PairedBatch, SampleBatch, UnpairedBatch
from lightning_gans.extractors.base import Features

SIDE = 8


class PixelExtractor:
    """Pixel extractor: the image at 8x8 pixels, the mean of each of 64 equal parts, for each channel.

    FID and KID of these features compare layout and colour, but not texture or fine detail. They rank runs on the same
    images; they say less about quality than Inception's, and their values are not comparable with those.

    Args:
        channels: 1 (grey) or 3 (RGB).
    """

    batch: ClassVar[tuple[type, ...]] = (SampleBatch, UnpairedBatch, ConditionedBatch, PairedBatch)
    contents: ClassVar[tuple[str, ...]] = ("images",)
    name = "pixels"
    classes = None
    suffix = "_pixels"

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.feature_dim = channels * SIDE * SIDE
        self.fingerprint = f"pixels {SIDE}x{SIDE}x{channels}"

    def __call__(self, x: Tensor) -> Features:
        """Extract from images (N, C, H, W) in [-1, 1]: features (N, 64 C), float32.

        Raises:
            ValueError: x is not images with this number of channels.
        """
        if x.dim() != 4 or x.shape[1] != self.channels:
            raise ValueError(f"Images are (N, {self.channels}, H, W); these have shape {tuple(x.shape)}.")
        return Features(adaptive_avg_pool2d(x.detach().float(), SIDE).flatten(1), None)
