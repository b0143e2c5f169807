import math

import pytest
import torch
import torch.nn.functional as F

from lightning_gans.metrics.diversity import classes_covered, pairwise_distance


def test_pairwise_distance() -> None:
    assert pairwise_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0]])) == pytest.approx(5)
    assert pairwise_distance(torch.tensor([[0.0], [1.0], [3.0]])) == pytest.approx((1 + 2 + 3) / 3)
    assert pairwise_distance(torch.full((2000, 3), 0.1)) == 0
    x = torch.randn(1500, 4, generator=torch.Generator().manual_seed(0))
    # The distance of two standard normals in d dimensions: 2 Gamma((d + 1) / 2) / Gamma(d / 2).
    assert pairwise_distance(x) == pytest.approx(2 * math.gamma(2.5) / math.gamma(2), rel=0.02)
    with pytest.raises(ValueError, match="there are 1"):
        pairwise_distance(x[:1])


def test_classes_covered() -> None:
    def of(*counts: int) -> torch.Tensor:
        return F.one_hot(torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)), len(counts)).float()

    assert classes_covered(of(25, 25, 25, 25)) == 4
    assert classes_covered(of(95, 3, 2, 0)) == 2  # a tenth of 25 is enough
    assert classes_covered(of(95, 3, 2, 0), share=0.01) == 3
    assert classes_covered(of(95, 3, 2, 0), share=1.0) == 1
    assert classes_covered(of(1, 1, 1, 0), share=0.0) == 3
