"""Scores of the same images are the same, whatever their order and the size of the batches that they come in."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from lightning_gans.extractors.base import Extractor, extract
from lightning_gans.extractors.classifier import ClassifierExtractor
from lightning_gans.extractors.pixels import PixelExtractor
from lightning_gans.metrics.estimate import Estimate
from lightning_gans.metrics.scores import Reference, distribution_scores
from lightning_gans.networks.classifier import ConvClassifier

N = 150  # images: two chunks and a part of one


def images(seed: int) -> Tensor:
    return torch.rand(N, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def classifier() -> Extractor:
    torch.manual_seed(0)
    network = ConvClassifier(channels=3, image_size=16, classes=4)
    return ClassifierExtractor(network, name="random", fingerprint="random")


def scores(extractor: Extractor, x: Tensor, size: int) -> Mapping[str, float]:
    real = Reference.of(extract(extractor, images(1).split(64)).features)
    found = distribution_scores(real, *extract(extractor, x.split(size)))
    flat = {}
    for name, one in found.items():
        value, error = one if isinstance(one, Estimate) else (one, 0.0)
        flat |= {name: value, f"{name}_se": error}
    return flat


@pytest.mark.filterwarnings("ignore:FID of fewer samples")
@pytest.mark.parametrize("make", [classifier, lambda: PixelExtractor(3)], ids=["classifier", "pixels"])
def test_neither_the_size_of_batches_nor_the_order_changes_a_score(make) -> None:
    extractor, x = make(), images(2) * 0.9
    wanted = scores(extractor, x, N)
    assert {"fid", "kid", "precision", "recall", "density", "coverage"} <= set(wanted)
    for size in (1, 7, 64):
        assert scores(extractor, x, size) == wanted  # to the last bit
    shuffled = x[torch.randperm(N, generator=torch.Generator().manual_seed(0))]
    assert scores(extractor, shuffled, 64) == pytest.approx(wanted, rel=1e-6, abs=1e-6)
    alone = torch.cat([extractor(one).features for one in x.split(1)])
    whole = extract(extractor, [x]).features
    assert (alone - whole).norm() <= 1e-6 * whole.norm()
