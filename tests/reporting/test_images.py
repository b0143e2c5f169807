import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from lightning_gans.reporting import images


def pixels(image):
    return torch.from_numpy(np.array(image)).reshape(image.height, image.width, -1).long()


def test_to_uint8_rounds_and_clamps():
    x = torch.tensor([-1.0, 1.0, 0.0, -3.0, 7.0, -1 + 1.4 / 127.5, -1 + 1.6 / 127.5, float("nan")])
    bytes_ = images.to_uint8(x.reshape(1, 1, 2, 4))
    assert bytes_.dtype == torch.uint8
    assert bytes_.flatten().tolist() == [0, 255, 128, 0, 255, 1, 2, 0]


def test_to_uint8_is_the_inverse_of_normalising():
    original = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    assert torch.equal(images.to_uint8(original.float() / 127.5 - 1), original)
    assert images.to_uint8(original) is original


def test_a_grid_is_row_by_row_with_two_white_pixels_between_cells():
    x = torch.tensor([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1).expand(3, 1, 64, 64)
    image = images.image_grid(x, 2)
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
    image = images.image_grid(x, 8)
    assert (image.mode, image.size) == ("RGB", (cell, cell))
    factor = cell // size
    assert torch.equal(pixels(image)[::factor, ::factor].permute(2, 0, 1), images.to_uint8(x)[0].long())


def test_a_grid_of_very_many_is_enlarged_less(monkeypatch):
    monkeypatch.setattr(images, "LONGEST", 200)
    assert images.image_grid(torch.zeros(4, 1, 16, 16), 2).size == (2 * 66 - 2, 2 * 66 - 2)
    assert images.image_grid(torch.zeros(16, 1, 16, 16), 4).size == (4 * 50 - 2, 4 * 50 - 2)
    assert images.image_grid(torch.zeros(400, 1, 16, 16), 20).size == (20 * 18 - 2, 20 * 18 - 2)


def test_other_channel_counts_are_shown_as_their_mean():
    x = torch.stack([torch.full((64, 64), -1.0), torch.full((64, 64), 1.0)])[None]
    assert pixels(images.image_grid(x, 1)).unique().tolist() == [128]


def test_equal_pictures_give_equal_bytes(tmp_path):
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    first = images.save_png(images.image_grid(x, 2), tmp_path / "deep" / "a.png").read_bytes()
    assert first == images.png(images.image_grid(x, 2))
    assert first != images.png(images.image_grid(-x, 2))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.png"]


def frames(tmp_path, count, mode="L"):
    paths = []
    for i in range(count):
        grey = 10 + 2 * i
        paths.append(
            images.save_png(Image.new(mode, (40, 40), grey if mode == "L" else (grey, 0, 255)), tmp_path / f"{i}.png")
        )
    return paths


def test_an_animation_plays_in_order_and_rests_on_the_last(tmp_path):
    out = images.gif(frames(tmp_path, 4), tmp_path / "progress.gif")
    with Image.open(out) as animation:
        seen = [(f.convert("L").getpixel((0, 0)), f.info["duration"]) for f in ImageSequence.Iterator(animation)]
        assert animation.info["loop"] == 0
    assert seen == [(10, 120), (12, 120), (14, 120), (16, 2500)]


def test_an_animation_in_colour(tmp_path):
    with Image.open(images.gif(frames(tmp_path, 2, "RGB"), tmp_path / "progress.gif")) as animation:
        assert [f.convert("RGB").getpixel((5, 5)) for f in ImageSequence.Iterator(animation)] == [
            (10, 0, 255),
            (12, 0, 255),
        ]


def test_an_animation_is_bounded(tmp_path):
    with Image.open(images.gif(frames(tmp_path, 100), tmp_path / "progress.gif", frames=5, side=20)) as animation:
        seen = [f.convert("L").getpixel((0, 0)) for f in ImageSequence.Iterator(animation)]
        assert animation.size == (20, 20)
    assert len(seen) == 5
    assert seen[0] == 10
    assert seen[-1] == 10 + 2 * 99
    assert seen == sorted(seen)


def test_an_animation_of_one_and_of_none(tmp_path):
    with Image.open(images.gif(frames(tmp_path, 1), tmp_path / "progress.gif")) as animation:
        assert animation.n_frames == 1
    with pytest.raises(ValueError, match="at least one"):
        images.gif([], tmp_path / "none.gif")
