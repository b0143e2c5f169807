"""Coordinates of points as their features."""

from typing import ClassVar

from torch import Tensor

from lightning_gans.core.batches import SampleBatch
from lightning_gans.extractors.base import Features


class CoordinateExtractor:
    """Identity extractor for points (N, d): Frechet and kernel distances are in the plane itself."""

    batch: ClassVar[type] = SampleBatch
    contents: ClassVar[tuple[str, ...]] = ("points",)
    name = "coordinates"
    fingerprint = "coordinates"
    classes = None
    suffix = "_coordinates"

    def __init__(self, feature_dim: int = 2) -> None:
        self.feature_dim = feature_dim

    def __call__(self, x: Tensor) -> Features:
        """Return points (N, d) as float32 features.

        Raises:
            ValueError: x is not points of this dimension.
        """
        if x.dim() != 2 or x.shape[1] != self.feature_dim:
            raise ValueError(f"Points are (N, {self.feature_dim}); these have shape {tuple(x.shape)}.")
        return Features(x.detach().float(), None)
