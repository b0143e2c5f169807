from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from lightning_gans.extractors.base import CHUNK, Features, extract, in_chunks
from lightning_gans.extractors.coordinates import CoordinateExtractor
from lightning_gans.networks.classifier import ConvClassifier

CPU = torch.device("cpu")


class Classifier:
    """An extractor of random weights, and the sizes of the chunks that it saw."""

    name, fingerprint, feature_dim, classes = "random", "random", 64, 3

    def __init__(self) -> None:
        self.network = ConvClassifier(channels=1, image_size=16, classes=3).eval()
        self.seen: list[int] = []

    def __call__(self, x: Tensor) -> Features:
        return Features(*in_chunks(self.forward, x, CPU))

    def forward(self, chunk: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(len(chunk))
        features = self.network.features(chunk)
        return features, self.network.classify(features)


@pytest.mark.parametrize("size", [1, 7, 64, 100, 150])
def test_a_stream_in_batches_of_any_size_gives_the_same_chunks(size: int) -> None:
    extractor = Classifier()
    x = torch.rand(150, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    whole = extractor(x)
    assert extractor.seen == [64, 64, 22]  # no more passes than images
    extractor.seen.clear()
    found = extract(extractor, x.split(size))
    assert extractor.seen == [64, 64, 22]
    for one, other in zip(found, whole, strict=True):
        assert one is not None
        assert torch.equal(one, other)
    # Called with batches of other sizes itself, it agrees to rounding.
    parts = torch.cat([extractor(part).features for part in x.split(size)])
    assert (parts - whole.features).norm() <= 1e-6 * whole.features.norm()


def test_a_stream_is_read_as_far_as_it_is_wanted() -> None:
    x = torch.rand(150, 3)
    read: list[int] = []

    def batches() -> Iterator[Tensor]:
        for part in x.split(20):
            read.append(len(part))
            yield part

    found = extract(CoordinateExtractor(3), batches(), total=50)
    assert torch.equal(found.features, x[:50])
    assert found.probabilities is None
    assert read == [20, 20, 20]
    with pytest.raises(ValueError, match="there are none"):
        extract(CoordinateExtractor(3), [])


def test_chunks_are_full_float32_and_without_gradient() -> None:
    seen: list[Tensor] = []

    def forward(chunk: Tensor) -> tuple[Tensor, ...]:
        seen.append(chunk)
        return (chunk * 2,)

    x = torch.ones(CHUNK + 3, 2, dtype=torch.float64, requires_grad=True)
    (result,) = in_chunks(forward, x, CPU)
    assert [(len(chunk), chunk.dtype) for chunk in seen] == [(CHUNK, torch.float32), (3, torch.float32)]
    assert result.dtype == torch.float32
    assert not result.requires_grad
    assert torch.equal(result, torch.full((CHUNK + 3, 2), 2.0))


def test_the_precision_of_the_run_stays_outside() -> None:
    layer = nn.Linear(64, 64)
    x = torch.rand(3, 64, generator=torch.Generator().manual_seed(0))
    exact = in_chunks(lambda chunk: (layer(chunk),), x, CPU)[0]
    inside: list[str] = []

    def forward(chunk: Tensor) -> tuple[Tensor, ...]:
        inside.append(torch.backends.cuda.matmul.fp32_precision)
        return (layer(chunk),)

    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(in_chunks(forward, x, CPU)[0], exact)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert inside == ["ieee"]


def test_coordinates() -> None:
    extractor = CoordinateExtractor(3)
    x = torch.rand(5, 3, dtype=torch.float64, requires_grad=True)
    features, probabilities = extractor(x)
    assert probabilities is None
    assert features.dtype == torch.float32
    assert torch.equal(features, x.detach().float())
    assert (extractor.name, extractor.feature_dim, extractor.classes) == ("coordinates", 3, None)
    with pytest.raises(ValueError, match=r"\(N, 3\)"):
        extractor(torch.rand(5, 2))
