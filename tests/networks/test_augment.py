"""Translation: whole pixels, both directions, differentiable, and nothing where there is nothing to move."""

import pytest
import torch

from lightning_gans.networks.augment import Translation


@pytest.fixture
def images():
    return torch.arange(2 * 3 * 8 * 8.0).reshape(2, 3, 8, 8)


def test_a_shift_is_the_one_that_its_numbers_name(images):
    # reach 1: numbers below 1/3 look one pixel back, above 2/3 one ahead
    moved = Translation(ratio=0.125)(images, torch.tensor([[0.1, 0.5], [0.5, 0.9]]))
    assert torch.equal(moved[0, :, 1:], images[0, :, :-1]), "down by one row"
    assert torch.equal(moved[0, :, 0], images[0, :, 0]), "the edge is repeated"
    assert torch.equal(moved[1, :, :, :-1], images[1, :, :, 1:]), "left by one column"


def test_the_middle_and_a_ratio_of_zero_move_nothing(images):
    middle = torch.full((2, 2), 0.5)
    assert torch.equal(Translation(ratio=0.125)(images, middle), images)
    assert torch.equal(Translation(ratio=0.0)(images, torch.rand(2, 2)), images)


def test_gradients_come_back_to_the_pixels_they_were_taken_from(images):
    x = images.clone().requires_grad_()
    Translation(ratio=0.25)(x, torch.tensor([[0.5, 0.5], [0.99, 0.0]])).sum().backward()
    assert torch.equal(x.grad[0], torch.ones(3, 8, 8))
    assert x.grad.sum() == images.numel()
    assert x.grad[1, 0, 0].sum() == 0, "two rows have left the second image"


def test_points_are_refused():
    with pytest.raises(ValueError, match="images"):
        Translation(ratio=0.125)(torch.zeros(4, 2), torch.zeros(4, 2))
