import io

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import pixels


def test_bytes_become_minus_one_to_one_and_back():
    every = torch.arange(256, dtype=torch.uint8)
    x = pixels.normalise(every)
    assert x.dtype == torch.float32
    assert (x[0].item(), x[255].item()) == (-1.0, 1.0)
    torch.testing.assert_close(x.double(), every.double() / 127.5 - 1, rtol=0, atol=2e-7)
    assert torch.equal(((x + 1) * 127.5).round().to(torch.uint8), every)


def test_only_the_chosen_are_mirrored():
    x = torch.arange(24, dtype=torch.uint8).view(2, 1, 3, 4)
    flipped = pixels.flip(x, torch.tensor([False, True]))
    assert torch.equal(flipped, torch.stack([x[0], x[1].flip(-1)]))


def test_fit_keeps_what_fits():
    x = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(pixels.fit(x, size=8, channels=3), x)
    grey = pixels.fit(x, size=8, channels=1)[0, 0, 0, 0].item()
    red, green, blue = x[0, :, 0, 0].tolist()
    assert grey == round(0.299 * red + 0.587 * green + 0.114 * blue)
    assert torch.equal(pixels.fit(x[:, :1], size=8, channels=3), x[:, :1].expand(-1, 3, -1, -1))


def test_fit_neither_overshoots_nor_aliases():
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 255
    resized = pixels.fit(step, size=32, channels=1)
    assert resized.dtype == torch.uint8
    assert (resized[0, 0, 0, 0].item(), resized[0, 0, 0, -1].item()) == (0, 255)
    stripes = torch.zeros(1, 1, 32, 32)
    stripes[..., ::2] = 255
    assert (pixels.fit(stripes, size=8, channels=1)[..., 2:-2].float() - 127.5).abs().max() < 8


def grey(picture, size=4):
    return pixels.square(picture, size=size, channels=1)


def colour(picture, size=4):
    return pixels.square(picture, size=size, channels=3)


def test_grey_and_rgb():
    assert torch.equal(grey(Image.new("L", (4, 4), 7)), torch.full((1, 4, 4), 7, dtype=torch.uint8))
    assert torch.equal(colour(Image.new("L", (4, 4), 7)), torch.full((3, 4, 4), 7, dtype=torch.uint8))
    assert colour(Image.new("RGB", (8, 8), (1, 2, 3)))[:, 0, 0].tolist() == [1, 2, 3]
    assert grey(Image.new("1", (4, 4), 1)).unique().tolist() == [255]


def test_transparency_shows_white():
    assert colour(Image.new("RGBA", (4, 4), (255, 0, 0, 0))).unique().tolist() == [255]
    assert colour(Image.new("RGBA", (4, 4), (255, 0, 0, 255)))[:, 0, 0].tolist() == [255, 0, 0]
    assert grey(Image.new("LA", (4, 4), (0, 0))).unique().tolist() == [255]


def test_palettes():
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert colour(palette)[:, 0, 0].tolist() == [10, 20, 30]
    file = io.BytesIO()
    palette.save(file, "PNG", transparency=1)
    assert colour(Image.open(file)).unique().tolist() == [255]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled(form):
    ramp = np.array([[0, 256, 257 * 128, 65535]] * 4, dtype=np.uint16)
    file = io.BytesIO()
    Image.fromarray(ramp).save(file, form)
    assert grey(Image.open(file))[0, 0].tolist() == [0, 1, 128, 255]


def test_floats_have_a_range_or_are_refused():
    assert grey(Image.fromarray(np.full((4, 4), 0.5, np.float32))).unique().tolist() == [128]
    assert grey(Image.fromarray(np.full((4, 4), 200.0, np.float32))).unique().tolist() == [200]
    with pytest.raises(ValueError, match="no known range"):
        grey(Image.fromarray(np.full((4, 4), -3.0, np.float32)))


def test_cmyk_is_converted():
    assert colour(Image.new("CMYK", (4, 4), (0, 0, 0, 255))).unique().tolist() == [0]


@pytest.mark.parametrize("shape", [(8, 24), (24, 8)])
def test_the_centre_square_of_a_long_picture(shape):
    array = np.zeros(shape, np.uint8)
    middle = (slice(None), slice(8, 16)) if shape[1] > shape[0] else (slice(8, 16), slice(None))
    array[middle] = 255
    square = grey(Image.fromarray(array))
    assert square.shape == (1, 4, 4)
    assert square[0, 1:3, 1:3].unique().tolist() == [255]
    assert square.min() > 230  # at the edges the filter reaches a little beyond the square


def test_a_picture_is_turned_upright():
    array = np.zeros((4, 4), np.uint8)
    array[0] = 255  # the file's top row ...
    picture = Image.fromarray(array)
    exif = picture.getexif()
    exif[0x0112] = 6  # ... is to be shown on the right
    file = io.BytesIO()
    picture.save(file, "PNG", exif=exif)
    assert grey(Image.open(file))[0].tolist() == [[0, 0, 0, 255]] * 4
