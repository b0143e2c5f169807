import pytest
import torch
from torch.autograd import gradcheck

from lightning_gans.losses.reversal import reverse_gradient


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0, 7.5])
def test_what_comes_back_is_minus_weight_times_the_gradient_to_the_last_bit(weight):
    x, w = torch.randn(5, 3), torch.randn(4, 3)
    plain, reversed_ = x.clone().requires_grad_(), x.clone().requires_grad_()
    (plain @ w.T).sin().sum().backward()
    y = reverse_gradient(reversed_, weight)
    assert torch.equal(y, x)
    (y @ w.T).sin().sum().backward()
    assert torch.equal(reversed_.grad, -weight * plain.grad)


def test_what_lies_above_is_not_scaled():
    x, w = torch.randn(5, 3, requires_grad=True), torch.randn(3, requires_grad=True)
    (above,) = torch.autograd.grad((reverse_gradient(x, 0.25) @ w).square().sum(), w)
    (expected,) = torch.autograd.grad((x @ w).square().sum(), w)
    assert torch.equal(above, expected)


def test_numerical_gradients():
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: reverse_gradient(x, -1.0).tanh(), x)  # the identity's gradient
    assert gradcheck(lambda x: reverse_gradient(reverse_gradient(x, 4.0), 0.25).tanh(), x)  # reversed twice
    assert not gradcheck(lambda x: reverse_gradient(x, 1.0).tanh(), x, raise_exception=False)
