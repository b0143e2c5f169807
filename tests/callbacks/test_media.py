import sys

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from lightning_gans.callbacks import media


def pixels(image):
    return torch.from_numpy(np.array(image)).reshape(image.height, image.width, -1).long()


def test_to_uint8_rounds_and_clamps():
    x = torch.tensor([-1.0, 1.0, 0.0, -3.0, 7.0, -1 + 1.4 / 127.5, -1 + 1.6 / 127.5, float("nan")])
    bytes_ = media.to_uint8(x.reshape(1, 1, 2, 4))
    assert bytes_.dtype == torch.uint8
    assert bytes_.flatten().tolist() == [0, 255, 128, 0, 255, 1, 2, 0]


def test_to_uint8_is_the_inverse_of_normalising():
    original = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(media.to_uint8(original.float() / 127.5 - 1), original)
    assert media.to_uint8(original) is original


def test_a_grid_is_row_by_row_with_two_white_pixels_between_cells():
    x = torch.tensor([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1).expand(3, 1, 64, 64)
    image = media.image_grid(x, 2)
    assert (image.mode, image.size) == ("L", (130, 130))
    seen = pixels(image)[..., 0]
    assert (seen[:64, :64] == 0).all()
    assert (seen[:64, 66:] == 128).all()
    assert (seen[64:66] == 255).all()
    assert (seen[:, 64:66] == 255).all()
    assert (seen[66:, 66:] == 255).all()  # the place of a fourth


@pytest.mark.parametrize("size, cell", [(8, 64), (28, 84), (32, 64), (48, 96), (64, 64), (128, 128)])
def test_small_images_are_enlarged_pixel_by_pixel(size, cell):
    x = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    image = media.image_grid(x, 8)
    assert (image.mode, image.size) == ("RGB", (cell, cell))
    factor = cell // size
    assert torch.equal(pixels(image)[::factor, ::factor].permute(2, 0, 1), media.to_uint8(x)[0].long())


def test_a_grid_of_very_many_is_enlarged_less(monkeypatch):
    monkeypatch.setattr(media, "LONGEST", 200)
    assert media.image_grid(torch.zeros(4, 1, 16, 16), 2).size == (2 * 66 - 2, 2 * 66 - 2)
    assert media.image_grid(torch.zeros(16, 1, 16, 16), 4).size == (4 * 50 - 2, 4 * 50 - 2)
    assert media.image_grid(torch.zeros(400, 1, 16, 16), 20).size == (20 * 18 - 2, 20 * 18 - 2)


def test_other_channel_counts_are_shown_as_their_mean():
    x = torch.stack([torch.full((64, 64), -1.0), torch.full((64, 64), 1.0)])[None]
    assert pixels(media.image_grid(x, 1)).unique().tolist() == [128]


def test_equal_pictures_give_equal_bytes(tmp_path):
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first = media.save_png(media.image_grid(x, 2), tmp_path / "deep" / "a.png").read_bytes()
    assert first == media.png(media.image_grid(x, 2))
    assert first != media.png(media.image_grid(-x, 2))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_axes_hold_the_points_with_a_margin_in_a_square():
    axes = media.axes_of(torch.tensor([[-1.0, 0.0], [1.0, 1.0], [float("nan"), 9.0]]))
    assert axes.shape == (2, 2)
    assert (axes[:, 1] - axes[:, 0]).tolist() == pytest.approx([2.48, 2.48])
    assert axes.mean(1).tolist() == pytest.approx([0, 0.5])


@pytest.mark.parametrize("points", [torch.zeros(3, 2), torch.full((2, 1), float("nan"))])
def test_axes_of_points_without_extent(points):
    axes = media.axes_of(points)
    assert ((axes[:, 1] - axes[:, 0]) == 2).all()


def colour(image, name):
    wanted = torch.tensor([int(name[i : i + 2], 16) for i in (1, 3, 5)])
    return int((pixels(image) == wanted).all(2).sum())


def test_points_are_scattered_over_real_ones():
    g = torch.Generator().manual_seed(0)
    real, made = torch.randn(200, 2, generator=g), 0.1 * torch.randn(200, 2, generator=g) + 1
    image = media.planar_figure(made, real, torch.zeros(1, 2), title="iteration 10")
    assert (image.mode, image.size) == ("RGB", (500, 500))
    assert colour(image, media.REAL) > 100
    assert colour(image, media.MODE) > 0
    assert colour(media.planar_figure(made, real), media.MODE) == 0
    assert media.png(image) == media.png(media.planar_figure(made, real, torch.zeros(1, 2), title="iteration 10"))


def test_axes_do_not_follow_the_samples():
    real = torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    without, far = (pixels(media.planar_figure(made, real)) for made in (torch.zeros(0, 2), real + 100))
    changed = (without != far).any(2).nonzero()
    # nothing of them is to be seen; a note in the upper left corner says so, and the legend names them
    assert len(changed) > 20
    assert changed[:, 0].max() < 80
    near = (without != pixels(media.planar_figure(real, real))).any(2).nonzero()
    assert near[:, 0].max() > 300


def test_points_on_the_line_are_a_histogram():
    real = torch.randn(500, 1, generator=torch.Generator().manual_seed(0))
    image = media.planar_figure(real * 1.2 + 0.5, real)
    assert colour(image, media.REAL) > 5000
    assert colour(image, media.GENERATED) > 100


def test_points_in_space_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 3\)"):
        media.planar_figure(torch.zeros(4, 3))
    assert not media.is_picture((3,))
    assert all(map(media.is_picture, [(1, 8, 8), (2,), (1,)]))


def test_drawing_points_leaves_no_pyplot_state():
    media.planar_figure(torch.zeros(4, 2))
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


def frames(tmp_path, count, mode="L"):
    paths = []
    for i in range(count):
        grey = 10 + 2 * i
        paths.append(
            media.save_png(Image.new(mode, (40, 40), grey if mode == "L" else (grey, 0, 255)), tmp_path / f"{i}.png")
        )
    return paths


def test_an_animation_plays_in_order_and_rests_on_the_last(tmp_path):
    out = media.gif(frames(tmp_path, 4), tmp_path / "progress.gif")
    with Image.open(out) as animation:
        seen = [(f.convert("L").getpixel((0, 0)), f.info["duration"]) for f in ImageSequence.Iterator(animation)]
        assert animation.info["loop"] == 0
    assert seen == [(10, 120), (12, 120), (14, 120), (16, 2500)]


def test_an_animation_in_colour(tmp_path):
    with Image.open(media.gif(frames(tmp_path, 2, "RGB"), tmp_path / "progress.gif")) as animation:
        assert [f.convert("RGB").getpixel((5, 5)) for f in ImageSequence.Iterator(animation)] == [
            (10, 0, 255),
            (12, 0, 255),
        ]


def test_an_animation_is_bounded(tmp_path):
    with Image.open(media.gif(frames(tmp_path, 100), tmp_path / "progress.gif", frames=5, side=20)) as animation:
        seen = [f.convert("L").getpixel((0, 0)) for f in ImageSequence.Iterator(animation)]
        assert animation.size == (20, 20)
    assert len(seen) == 5
    assert seen[0] == 10
    assert seen[-1] == 10 + 2 * 99
    assert seen == sorted(seen)


def test_an_animation_of_one_and_of_none(tmp_path):
    with Image.open(media.gif(frames(tmp_path, 1), tmp_path / "progress.gif")) as animation:
        assert animation.n_frames == 1
    with pytest.raises(ValueError, match="at least one"):
        media.gif([], tmp_path / "none.gif")


def test_pictures_go_to_the_loggers_that_take_them(tmp_path):
    class Takes:
        seen = ()

        def log_picture(self, name, path, iteration):
            self.seen = name, path, iteration

    class Trainer:
        loggers = (Takes(), object(), Takes())

    media.log_picture(Trainer, "samples/grid", tmp_path / "a.png", 3)
    assert [logger.seen for logger in Trainer.loggers[::2]] == [("samples/grid", tmp_path / "a.png", 3)] * 2
