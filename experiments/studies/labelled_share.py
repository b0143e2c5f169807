"""Digits with only a share of the training images, so that both images and labels are scarce."""

from collections.abc import Mapping
from typing import Annotated

import torch

from datamodules.digits import Digits
from datamodules.sources import Source, Tensors
from lightning_gans.evaluation.synthetic import share_of
from lightning_gans.settings import Channels, Count, Gt, ImageSize, Le, Seed


class LabelledDigits(Digits):
    """scikit-learn's digits with a share of the training images of each class; validation and test are complete.

    The images of a smaller share are a subset of those of a larger share with the same seed.

    Args:
        batch_size: global batch size, of all processes together.
        image_size: height and width in pixels.
        channels: 1 (grey), or 3 (the same three times).
        share: share of the training images of each class, and at least one image.
        share_seed: seed that chooses them.
    """

    def __init__(
        self,
        *,
        batch_size: Count = 64,
        image_size: ImageSize = 32,
        channels: Channels = 1,
        share: Annotated[float, Gt(0), Le(1)] = 1.0,
        share_seed: Seed = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, image_size=image_size, channels=channels)
        self.share, self.share_seed = share, share_seed

    @property
    def fingerprint(self) -> str:
        return self.digest(super().fingerprint, share=self.share, share_seed=self.share_seed)

    def read(self) -> Mapping[str, Source]:
        sources = dict(super().read())
        train = sources["train"]
        assert isinstance(train, Tensors)
        assert train.labels is not None
        rows, _ = share_of((torch.arange(len(train)), train.labels), self.share, seed=self.share_seed)
        return sources | {"train": train.take(rows.sort().values)}
