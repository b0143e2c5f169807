import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_gans.metrics.inception import inception_score

K = 10


def test_closed_forms() -> None:
    uniform = F.one_hot(torch.arange(200) % K, K).float()
    assert inception_score(uniform, splits=1) == pytest.approx((K, 0, 0), abs=1e-12)
    assert inception_score(uniform[:1].expand(50, -1)) == pytest.approx((1, 0, 0), abs=1e-12)
    assert inception_score(torch.full((50, K), 1 / K)) == pytest.approx((1, 0, 0), abs=1e-6)
    # Two classes, right with probability q: log IS = log 2 - H(q).
    q = 0.9
    two = torch.tensor([[q, 1 - q], [1 - q, q]], dtype=torch.float64)
    expected = 2 * math.exp(q * math.log(q) + (1 - q) * math.log(1 - q))
    assert inception_score(two, splits=1).mean == pytest.approx(expected, rel=1e-12)


def noise(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, K, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).mul(5).softmax(1)


def test_ten_splits_or_as_many_as_there_are_samples() -> None:
    halves = F.one_hot(torch.tensor([0, 1, 0, 1, 0, 0, 0, 0]), K)
    assert inception_score(halves, splits=2, as_given=True)[:2] == pytest.approx((1.5, 0.5), rel=1e-12)
    p = noise(23)
    by_hand = [inception_score(p[i * 23 // 10 : (i + 1) * 23 // 10], splits=1).mean for i in range(10)]
    found = inception_score(p, as_given=True)
    assert found[:2] == pytest.approx((np.mean(by_hand), np.std(by_hand)), rel=1e-12)
    assert inception_score(p[:3]) == inception_score(p[:3], splits=3)


def test_the_order_of_samples_changes_nothing() -> None:
    # Sorted by class: each split still sees all classes.
    assert inception_score(F.one_hot(torch.arange(5000) // 500, K)).mean == pytest.approx(K, rel=0.02)
    p = noise(500)
    shuffled = p[torch.randperm(500, generator=torch.Generator().manual_seed(1))]
    assert inception_score(shuffled) == pytest.approx(inception_score(p), rel=1e-9)


def test_the_error_is_the_deviation_over_draws() -> None:
    sharp = [(4 * noise(400, seed).log()).softmax(1) for seed in range(200)]
    found = [inception_score(p, splits=1) for p in sharp]
    deviation = np.std([score.mean for score in found])
    assert np.mean([score.error for score in found]) == pytest.approx(deviation, rel=0.2)


@pytest.mark.parametrize("shuffle", [True, False])
def test_equals_torch_fidelity(shuffle: bool) -> None:
    module = pytest.importorskip("torch_fidelity.metric_isc")
    logits = 3 * torch.randn(103, 20, generator=torch.Generator().manual_seed(0))
    expected = module.isc_features_to_metric(logits, shuffle=shuffle, rng_seed=2020)
    order = np.random.RandomState(2020).permutation(103) if shuffle else np.arange(103)
    found = inception_score(logits.double().softmax(1)[order], as_given=True)
    assert found[:2] == pytest.approx(list(expected.values()), rel=1e-9)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"\(N, d\)"):
        inception_score(torch.zeros(K))
    with pytest.raises(ValueError, match="At least 1 samples"):
        inception_score(torch.zeros(0, K))
    with pytest.raises(ValueError, match="splits=0 does not fit"):
        inception_score(noise(3), splits=0)
    broken = noise(5)
    broken[1:3, 0] = math.nan
    with pytest.raises(ValueError, match="Probabilities have to be finite; 2 of 5 rows hold NaN"):
        inception_score(broken)
