"""Mean colours of 8x8 parts as features."""

import pytest
import torch

from lightning_gans.extractors.pixels import PixelExtractor


def test_features_are_the_means_of_parts():
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = PixelExtractor(3)(x)
    assert features.probabilities is None
    assert features.features.shape == (3, 192)
    assert features.features.view(3, 3, 8, 8)[1, 2, 7, 0] == pytest.approx(float(x[1, 2, 28:, :4].mean()), abs=1e-6)


def test_small_images_are_enlarged():
    x = torch.full((2, 1, 4, 4), 0.5)
    assert torch.equal(PixelExtractor(1)(x).features, torch.full((2, 64), 0.5))


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 64)])
def test_other_samples_are_refused(shape):
    with pytest.raises(ValueError, match=r"Images are \(N, 1, H, W\)"):
        PixelExtractor(1)(torch.zeros(shape))
