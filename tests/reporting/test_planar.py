"""Figures of points on the line and the plane."""

import sys

import numpy as np
import pytest
import torch

from lightning_gans.reporting import images, planar


def pixels(image):
    return torch.from_numpy(np.array(image)).reshape(image.height, image.width, -1).long()


def test_axes_hold_the_points_with_a_margin_in_a_square():
    axes = planar.axes_of(torch.tensor([[-1.0, 0.0], [1.0, 1.0], [float("nan"), 9.0]]))
    assert axes.shape == (2, 2)
    assert (axes[:, 1] - axes[:, 0]).tolist() == pytest.approx([2.48, 2.48])
    assert axes.mean(1).tolist() == pytest.approx([0, 0.5])


@pytest.mark.parametrize("points", [torch.zeros(3, 2), torch.full((2, 1), float("nan"))])
def test_axes_of_points_without_extent(points):
    axes = planar.axes_of(points)
    assert ((axes[:, 1] - axes[:, 0]) == 2).all()


def colour(image, name):
    wanted = torch.tensor([int(name[i : i + 2], 16) for i in (1, 3, 5)])
    return int((pixels(image) == wanted).all(2).sum())


def test_points_are_scattered_over_real_ones():
    g = torch.Generator().manual_seed(0)
    real, made = torch.randn(200, 2, generator=g), 0.1 * torch.randn(200, 2, generator=g) + 1
    image = planar.planar_figure(made, real, torch.zeros(1, 2), title="iteration 10")
    assert (image.mode, image.size) == ("RGB", (500, 500))
    assert colour(image, planar.REAL) > 100
    assert colour(image, planar.MODE) > 0
    assert colour(planar.planar_figure(made, real), planar.MODE) == 0
    assert images.png(image) == images.png(planar.planar_figure(made, real, torch.zeros(1, 2), title="iteration 10"))


def test_axes_do_not_follow_the_samples():
    real = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    without, far = (pixels(planar.planar_figure(made, real)) for made in (torch.zeros(0, 2), real + 100))
    changed = (without != far).any(2).nonzero()
    # nothing of them is to be seen; a note in the upper left corner says so, and the legend names them
    assert len(changed) > 20
    assert changed[:, 0].max() < 80
    near = (without != pixels(planar.planar_figure(real, real))).any(2).nonzero()
    assert near[:, 0].max() > 300


def test_points_on_the_line_are_a_histogram():
    real = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    image = planar.planar_figure(real * 1.2 + 0.5, real)
    assert colour(image, planar.REAL) > 5000
    assert colour(image, planar.GENERATED) > 100


def judge(boundary=0.0, shift=0.0):
    return planar.Discriminator(lambda x: x[:, 0] - shift, boundary)


def test_level_sets_of_a_discriminator_are_beneath_the_points():
    real, made = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.5, 0.5]])
    image = planar.planar_figure(made, real, discriminator=judge())
    shown = np.array(image)
    row = shown[440]  # below all points and the legend
    left, right = row[80:100].mean(0), row[440:460].mean(0)
    assert left[2] > left[0] + 20  # violet, as generated samples
    assert right[0] > right[2] + 20  # orange, as real ones
    line = (row[:, :3].astype(int) < 0x80).all(1).nonzero()[0]
    assert abs(float(line[(line > 60) & (line < 480)].mean()) - 267) < 5  # the boundary, in the middle
    assert colour(image, planar.REAL) > 0


@pytest.mark.parametrize(
    "found",
    [
        lambda x: None,  # D judges packs
        lambda x: torch.full((len(x),), float("nan")),
    ],
)
def test_a_discriminator_without_logits_is_not_drawn(found):
    for points in (torch.zeros(4, 2), torch.zeros(4, 1)):
        plain = planar.planar_figure(points)
        assert images.png(planar.planar_figure(points, discriminator=planar.Discriminator(found))) == images.png(plain)


@pytest.mark.parametrize("boundary", [0.0, 5.0, None])
def test_a_discriminator_that_is_constant_or_far_from_its_boundary_can_be_drawn(boundary, recwarn):
    constant = planar.Discriminator(lambda x: torch.zeros(len(x)), boundary)
    for points in (torch.zeros(4, 2), torch.zeros(4, 1)):
        assert planar.planar_figure(points, discriminator=constant).size == (500, 500)
    assert not recwarn.list


def test_a_discriminator_on_the_line_is_a_curve():
    real = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    assert colour(planar.planar_figure(real, real, discriminator=judge()), planar.CURVE) > 20
    assert colour(planar.planar_figure(real, real, discriminator=judge(None)), planar.CURVE) > 20


def test_points_in_space_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 3\)"):
        planar.planar_figure(torch.zeros(4, 3))
    assert not images.is_picture((3,))
    assert all(map(images.is_picture, [(1, 8, 8), (2,), (1,)]))


def test_drawing_points_leaves_no_pyplot_state():
    planar.planar_figure(torch.zeros(4, 2))
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()
