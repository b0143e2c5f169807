"""Feature extractors that need no training."""

import torch
from torch import Tensor, nn

from lightning_gans.core.rng import isolated
from lightning_gans.extractors.base import Features, in_chunks


class RandomConvolutions:
    """Images (N, 1, 8, 8) -> features (N, 6) and probabilities (N, 6) of fixed random weights."""

    name = fingerprint = "random convolutions"
    feature_dim = classes = 6
    suffix = ""

    def __init__(self) -> None:
        with isolated("extractor"):
            layers = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()
            self.network = nn.Sequential(*layers).eval()

    def __call__(self, x: Tensor) -> Features:
        (features,) = in_chunks(lambda chunk: (self.network(chunk),), x, torch.device("cpu"))
        return Features(features, features.softmax(1))
