import math

import pytest
import torch
import torch.nn.functional as F

from lightning_gans.metrics.inception import inception_score

K = 10


def test_closed_forms() -> None:
    uniform = F.one_hot(torch.arange(200) % K, K).float()
    assert inception_score(uniform) == pytest.approx((K, 0), abs=1e-12)
    assert inception_score(uniform[:1].expand(50, -1)) == pytest.approx((1, 0), abs=1e-12)
    assert inception_score(torch.full((50, K), 1 / K)) == pytest.approx((1, 0), abs=1e-6)
    # Two classes, right with probability q: log IS = log 2 - H(q).
    q = 0.9
    two = torch.tensor([[q, 1 - q], [1 - q, q]], dtype=torch.float64)
    expected = 2 * math.exp(q * math.log(q) + (1 - q) * math.log(1 - q))
    assert inception_score(two).mean == pytest.approx(expected, rel=1e-12)


def test_splits() -> None:
    # Sorted by class: each split still sees every class.
    assert inception_score(F.one_hot(torch.arange(5000) // 500, K)) == pytest.approx((K, 0), abs=1e-12)
    halves = F.one_hot(torch.tensor([0, 0, 1, 0, 0, 0, 1, 0]), K)
    first, second = 1.0, math.exp(math.log(2))  # rows 0, 2, 4, 6 hold two of each class; the others one alone
    assert inception_score(halves, splits=2) == pytest.approx(((first + second) / 2, 0.5), rel=1e-12)
    # Fewer than 5,000 samples are one split, and the standard deviation says so.
    noise = torch.rand(5000, K, generator=torch.Generator().manual_seed(0)).mul(5).softmax(1)
    assert inception_score(noise[:4999]).std == 0
    assert inception_score(noise[:4999], splits=10).std > 0
    assert inception_score(noise) == inception_score(noise, splits=10)


def test_what_does_not_fit() -> None:
    for shape in [(0, K), (K,)]:
        with pytest.raises(ValueError, match=r"\(N, K\)"):
            inception_score(torch.zeros(shape))
    with pytest.raises(ValueError, match="splits=4 does not fit 3 samples"):
        inception_score(torch.zeros(3, K), splits=4)
