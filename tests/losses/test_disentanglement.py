from math import log

import pytest
import torch

from lightning_gans.losses.disentanglement import confusion, different, same


def test_confusion_is_the_divergence_from_knowing_nothing():
    assert confusion(torch.full((3, 4), 2.5)).item() == pytest.approx(0, abs=1e-6)
    p = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.2, 0.6]])
    expected = sum((1 / 3) * log((1 / 3) / q) for q in p.flatten().tolist()) / 2
    assert confusion(p.log()).item() == pytest.approx(expected, abs=1e-6)
    assert confusion(7 + p.log()).item() == pytest.approx(expected, abs=1e-5)


def test_confusion_is_least_where_the_classifier_is_unsure_and_not_where_it_is_wrong():
    logits = torch.tensor([[3.0, 0.0]], requires_grad=True)
    for _ in range(200):
        (gradient,) = torch.autograd.grad(confusion(logits), logits)
        logits = (logits - gradient).detach().requires_grad_(True)
    assert (logits[0, 0] - logits[0, 1]).abs().item() < 1e-3


A, B = torch.tensor([[0.0, 0.0], [3.0, 4.0]]), torch.tensor([[0.6, 0.8], [3.0, 4.5]])  # 1 and 0.5 apart


def test_pairs_of_one_speaker_are_to_meet():
    assert same(A, B).item() == pytest.approx((1 + 0.25) / 2)


@pytest.mark.parametrize("margin, expected", [(0.5, 0.0), (1.0, 0.25 / 2), (2.0, (1 + 2.25) / 2)])
def test_pairs_of_two_speakers_keep_a_margin(margin, expected):
    assert different(A, B, margin=margin).item() == pytest.approx(expected, abs=1e-6)


def test_codes_that_coincide_have_finite_gradients():
    a = A.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(different(a, A, margin=1.0), a)
    assert gradient.isfinite().all()
