import math

import pytest
import torch
import torch.nn.functional as F

from lightning_gans.metrics.diversity import class_counts, classes_covered, evenness


def test_classes_covered() -> None:
    def of(*counts: int) -> torch.Tensor:
        return F.one_hot(torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)), len(counts)).float()

    assert classes_covered(of(25, 25, 25, 25)) == 4
    assert classes_covered(of(95, 3, 2, 0)) == 2  # a tenth of 25 is enough
    assert classes_covered(of(95, 3, 2, 0), share=0.01) == 3
    assert classes_covered(of(95, 3, 2, 0), share=1.0) == 1
    assert classes_covered(of(1, 1, 1, 0), share=0.0) == 3
    assert class_counts(of(5, 0, 2)).tolist() == [5, 0, 2]


def test_evenness_is_the_entropy_of_the_classes_over_its_largest_value() -> None:
    def of(*counts: int) -> torch.Tensor:
        return F.one_hot(torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)), len(counts)).float()

    assert evenness(of(7, 7, 7)).value == pytest.approx(1)
    assert evenness(of(9, 0)).value == 0
    uneven = evenness(of(162, *[2] * 9))
    assert uneven.value == pytest.approx(-(0.9 * math.log(0.9) + 0.1 * math.log(0.1 / 9)) / math.log(10))
    assert evenness(torch.full((5, 4), 0.25)).value == pytest.approx(1)  # unsure is even


def test_the_error_of_evenness_is_its_deviation_over_draws() -> None:
    shares = torch.tensor([0.6, 0.3, 0.1])
    generator = torch.Generator().manual_seed(0)
    draws = [F.one_hot(torch.multinomial(shares, 400, True, generator=generator), 3).float() for _ in range(300)]
    found = torch.tensor([evenness(draw) for draw in draws], dtype=torch.float64)
    assert found[:, 1].mean().item() == pytest.approx(found[:, 0].std().item(), rel=0.15)
