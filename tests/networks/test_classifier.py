import pytest
import torch

from lightning_gans.networks.classifier import ConvClassifier


@pytest.mark.parametrize("image_size", [8, 9, 16, 28, 32, 64, 96, 128])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes(image_size: int, channels: int) -> None:
    network = ConvClassifier(channels=channels, image_size=image_size, classes=7, width=4, feature_dim=12).eval()
    x = torch.rand(3, channels, image_size, image_size) * 2 - 1
    features, logits = network.features(x), network(x)
    assert features.shape == (3, 12)
    assert logits.shape == (3, 7)
    assert torch.equal(network.classify(features), logits)
    assert (features >= 0).all()
    assert features.max() > 0


def test_too_small() -> None:
    with pytest.raises(ValueError, match="image_size=7 is too small"):
        ConvClassifier(channels=1, image_size=7, classes=2)
