import pytest
import torch
from torch import Tensor, nn

from lightning_gans.extractors.base import CHUNK, in_chunks
from lightning_gans.extractors.coordinates import CoordinateExtractor
from lightning_gans.networks.classifier import ConvClassifier

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [1, 7, 64, 100])
def test_a_sample_is_the_same_in_every_batch(size: int) -> None:
    network = ConvClassifier(channels=1, image_size=16, classes=3).eval()
    x = torch.rand(150, 1, 16, 16, generator=torch.Generator().manual_seed(0))

    def forward(chunk: Tensor) -> tuple[Tensor, ...]:
        features = network.features(chunk)
        return features, network.classify(features)

    whole = in_chunks(forward, x, CPU)
    parts = [in_chunks(forward, part, CPU) for part in x.split(size)]
    for i in range(2):
        assert torch.equal(torch.cat([part[i] for part in parts]), whole[i])


def test_chunks_are_full_float32_and_without_gradient() -> None:
    seen: list[Tensor] = []

    def forward(chunk: Tensor) -> tuple[Tensor, ...]:
        seen.append(chunk)
        return (chunk * 2,)

    x = torch.ones(CHUNK + 3, 2, dtype=torch.float64, requires_grad=True)
    (result,) = in_chunks(forward, x, CPU)
    assert [(len(chunk), chunk.dtype) for chunk in seen] == [(CHUNK, torch.float32)] * 2
    assert torch.equal(seen[1][3:], torch.zeros(CHUNK - 3, 2))
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
