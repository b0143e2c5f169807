"""Augmentations: each does what its numbers say, gradients come back, and p goes where D's certainty sends it."""

import pytest
import torch

from lightning_gans.networks.augment import Adaptive, Color, Composition, Cutout, Rising, Translation


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


@pytest.mark.parametrize("augmentation", [Translation(ratio=0.125), Color(), Cutout(ratio=0.5)])
def test_points_are_refused(augmentation):
    with pytest.raises(ValueError, match=rf"{type(augmentation).__name__} changes images"):
        augmentation(torch.zeros(4, 2), torch.zeros(4, augmentation.numbers))


# Colour


def numbers(*row):
    return torch.tensor([row])


def pixels(n=3, seed=0):
    return torch.rand(n, 3, 6, 6, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_the_middle_of_every_number_changes_no_colour():
    # saturation x 1, contrast x 1
    torch.testing.assert_close(Color()(pixels(1), numbers(0.5, 0.5, 0.5)), pixels(1))


def test_brightness_is_added():
    torch.testing.assert_close(Color()(pixels(1), numbers(0.9, 0.5, 0.5)), pixels(1) + 0.4)


def test_without_saturation_an_image_is_grey_and_a_grey_image_has_none_to_lose():
    x = pixels(1)
    grey = x.mean(1, keepdim=True)
    torch.testing.assert_close(Color()(x, numbers(0.5, 0.0, 0.5)), grey.expand_as(x))
    torch.testing.assert_close(Color()(x, numbers(0.5, 0.99, 0.5)), grey + 1.98 * (x - grey))
    torch.testing.assert_close(Color()(grey, numbers(0.5, 0.1, 0.5)), grey)


def test_contrast_scales_about_the_images_mean():
    x = pixels(1)
    torch.testing.assert_close(Color()(x, numbers(0.5, 0.5, 0.0)), x.mean() + 0.5 * (x - x.mean()))


# Cutout


def test_the_square_is_where_its_numbers_say_and_may_reach_over_the_edge():
    x = torch.ones(3, 2, 8, 8)
    cut = Cutout(ratio=0.5)(x, torch.tensor([[0.5, 0.5], [0.0, 0.5], [0.999, 0.999]]))
    expected = torch.ones(3, 2, 8, 8)
    expected[0, :, 2:6, 2:6] = 0
    expected[1, :, :2, 2:6] = 0
    expected[2, :, 6:, 6:] = 0
    assert torch.equal(cut, expected)


def test_an_odd_square_has_its_centre_on_any_pixel():
    x = torch.ones(8, 1, 8, 8)
    places = (torch.arange(8.0) + 0.5) / 8
    cut = Cutout(ratio=0.4)(x, torch.stack([places, places], dim=1))  # 3 of 8
    for pixel in range(8):
        assert cut[pixel, 0, pixel, pixel] == 0
        assert (cut[pixel] == 0).sum() == (4 if pixel in (0, 7) else 9)


def test_what_is_cut_has_no_gradient():
    x = torch.ones(1, 1, 8, 8, requires_grad=True)
    Cutout(ratio=0.5)(x, numbers(0.5, 0.5)).sum().backward()
    assert x.grad.sum() == 64 - 16


# Several


def test_a_composition_gives_each_part_its_own_numbers():
    parts = [Color(), Translation(ratio=0.25), Cutout(ratio=0.5)]
    u = torch.rand(3, 7, generator=torch.Generator().manual_seed(1))
    expected = parts[2](parts[1](parts[0](pixels(), u[:, :3]), u[:, 3:5]), u[:, 5:])
    composition = Composition(parts=parts)
    assert composition.numbers == 7
    assert torch.equal(composition(pixels(), u), expected)


def test_gradients_flow_through_all_of_them():
    x = pixels().requires_grad_()
    parts = [Color(), Translation(ratio=0.25), Cutout(ratio=0.5)]
    (gradient,) = torch.autograd.grad(Composition(parts=parts)(x, torch.full((3, 7), 0.4)).square().sum(), x)
    assert gradient.isfinite().all()
    assert (gradient != 0).float().mean() > 0.5


# Adaptive


def adaptive(p=0.0, *, speed=100.0):
    made = Adaptive(parts=[Color(), Translation(ratio=0.25)], target=0.6, speed=speed)
    made.p.fill_(p)
    return made


def alone(values):
    return values


def test_at_p_0_images_are_as_they_were_and_at_p_1_all_are_changed():
    u = torch.rand(200, 7, generator=torch.Generator().manual_seed(0))
    assert torch.equal(adaptive(0.0)(pixels(200), u), pixels(200))
    changed = adaptive(1.0)(pixels(200), u)
    expected = Translation(ratio=0.25)(Color()(pixels(200), u[:, 1:4]), u[:, 5:])
    assert torch.equal(changed, expected)


def test_each_part_is_applied_to_a_share_p_of_the_images_by_itself():
    u = torch.rand(4000, 7, generator=torch.Generator().manual_seed(0))
    x = pixels(1).expand(4000, -1, -1, -1)
    color = Adaptive(parts=[Color()], target=0.6, speed=1.0)
    color.p.fill_(0.3)
    share = (color(x, u[:, :4]) != x).flatten(1).any(1).float().mean().item()
    assert share == pytest.approx(0.3, abs=0.03)
    both = adaptive(0.3)(x, u)
    assert (both == x).flatten(1).all(1).float().mean().item() == pytest.approx(0.49, abs=0.05)


def test_gradients_flow_where_it_is_applied_and_where_it_is_not():
    x = pixels().requires_grad_()
    (gradient,) = torch.autograd.grad(adaptive(0.5)(x, torch.rand(3, 7)).square().sum(), x)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1) != 0).any(1).all()


def test_p_rises_while_d_is_sure_of_real_samples_and_stays_in_its_range():
    made, seen = adaptive(speed=100.0), []
    for _ in range(6):
        made.observe(torch.full((8, 1), 3.0))
        made.adapt(alone, images=25)
        seen.append(made.p.item())
    assert seen == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    for _ in range(5):
        made.observe(torch.tensor([3.0, -0.1]))  # a mean sign of 0 is below the target
        made.adapt(alone, images=25)
    assert made.p.item() == 0.0


def test_the_mean_sign_of_all_that_was_observed_decides_not_the_mean_logit():
    made = adaptive(0.5)
    made.observe(torch.tensor([100.0, -0.1, -0.1, -0.1]))
    made.adapt(alone, images=1)
    assert made.p < 0.5
    made = adaptive(0.5)
    for margins in ([1.0, 1.0], [1.0, 1.0, 1.0, -1.0]):  # 1 and 0.5: two micro-batches of one step
        made.observe(torch.tensor(margins))
    made.adapt(alone, images=1)
    assert made.p == pytest.approx(0.51)
    made.adapt(alone, images=1)
    assert made.p == pytest.approx(0.51), "nothing was observed since"


def test_ranks_adapt_by_their_average():
    made = adaptive(0.5)
    made.observe(torch.tensor([1.0, 1.0]))  # another rank sees -1
    made.adapt(lambda signs: (signs + torch.tensor([-1.0, 1.0])) / 2, images=1)
    assert made.p == pytest.approx(0.49)


def test_only_p_is_stored():
    assert list(adaptive().state_dict()) == ["p"]


# Rising


def test_p_rises_along_half_a_cosine():
    made = Rising(parts=[Color()], end=0.6)
    u = torch.rand(50, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(made(pixels(50), u), pixels(50))
    seen = []
    for progress in (0.0, 0.5, 1.0):
        made.follow(progress)
        seen.append(made.p.item())
    assert seen == pytest.approx([0.0, 0.3, 0.6])
    chosen = u[:, 0] < 0.6
    assert torch.equal(made(pixels(50), u)[chosen], Color()(pixels(50), u[:, 1:])[chosen])


def test_a_shift_can_leave_zeros_as_the_authors_code_does(images):
    moved = Translation(ratio=0.125, fill="zero")(images + 1, torch.tensor([[0.1, 0.5], [0.5, 0.9]]))
    assert torch.equal(moved[0, :, 1:], images[0, :, :-1] + 1)
    assert not moved[0, :, 0].any(), "DiffAugment_pytorch.py pads with zeros"
    assert torch.equal(moved[1, :, :, :-1], images[1, :, :, 1:] + 1)
    assert not moved[1, :, :, -1].any()
    with pytest.raises(ValueError, match="fill='grey'"):
        Translation(ratio=0.125, fill="grey")
