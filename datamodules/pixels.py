"""Conversion of pixels: from files and arrays to uint8 squares, and from those to network input."""

from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from datamodules.survey import opened

__all__ = [
    "FULL_RANGE",
    "LUMA",
    "VERSION",
    "Levels",
    "crop",
    "dequantise",
    "extremes",
    "fit",
    "flip",
    "normalise",
    "opened",
    "resize",
    "square",
    "whole",
]

VERSION = 1  # part of every image fingerprint: increment if a function here changes its pixels

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as PIL's mode "L"


class Levels(NamedTuple):
    """The values that become black and white in files with more than 8 bits per pixel; values beyond are clipped.

    white: None for the full range of a file's type: 65535 for integers, 255 for floats (1 if no value is above 1).
    """

    black: float = 0.0
    white: float | None = None


FULL_RANGE = Levels()


def normalise(pixels: Tensor) -> Tensor:
    """Normalise uint8 (N, C, H, W) to float32 in [-1, 1]: x / 127.5 - 1, with 0 -> -1 and 255 -> 1 exactly."""
    return pixels.to(torch.float32).mul_(1 / 127.5).sub_(1)  # mul_ is faster than div_, and equal on all devices


def flip(pixels: Tensor, chosen: Tensor) -> Tensor:
    """Mirror the images (N, C, H, W) for which chosen (N,) is true from left to right."""
    rows = torch.arange(len(pixels), device=pixels.device) + len(pixels) * chosen
    return torch.cat([pixels, pixels.flip(-1)]).index_select(0, rows)  # torch.where takes seven times as long on bytes


def crop(pixels: Tensor, corner: Tensor, *, size: int) -> Tensor:
    """Crop a square (N, C, size, size) from each image (N, C, S, S), with its upper left pixel at corner (N, 2)."""
    inside = torch.arange(size, device=pixels.device)
    rows, columns = ((corner[:, axis, None] + inside) for axis in (0, 1))
    images = torch.arange(len(pixels), device=pixels.device)[:, None, None]
    return pixels.permute(0, 2, 3, 1)[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def resize(pixels: Tensor, *, size: int) -> Tensor:
    """Resize (N, C, S, S), uint8 or float in [0, 255], to uint8 (N, C, size, size) by antialiased bicubic."""
    if pixels.shape[-1] == size:
        return pixels
    return torch.cat([_fit(part, size, int(part.shape[1])) for part in torch.split(pixels, 256)])


def dequantise(pixels: Tensor, uniform: Tensor) -> Tensor:
    """Add noise U[0, 1) to uint8 (N, C, H, W), scaled so that the result of `normalise` changes by U[0, 1/128)."""
    return torch.add(pixels, uniform, alpha=127.5 / 128)


def fit(pixels: Tensor, *, size: int, channels: int) -> Tensor:
    """Convert (N, C, H, H), uint8 or float in [0, 255], to uint8 (N, channels, size, size).

    Resizes by antialiased bicubic; converts RGB to grey by luma, and grey to RGB by repetition.
    """
    return torch.cat([_fit(part, size, channels) for part in torch.split(pixels, 4096)])


def _fit(pixels: Tensor, size: int, channels: int) -> Tensor:
    if pixels.shape[1] == 3 and channels == 1:
        pixels = (pixels * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
    if pixels.shape[-1] != size:
        pixels = F.interpolate(pixels.float(), size=(size, size), mode="bicubic", antialias=True)
    if pixels.is_floating_point():
        pixels = pixels.round().clamp(0, 255).to(torch.uint8)
    return pixels.expand(-1, channels, -1, -1)


def square(picture: Image.Image, *, size: int, channels: int, levels: Levels = FULL_RANGE) -> Tensor:
    """Convert any picture to uint8 (channels, size, size): upright, on white, centre square, antialiased bicubic.

    Raises:
        ValueError: pixels are NaN or infinite, or their range is unknown (32-bit integers beyond 16 bits, floats beyond
            [0, 255]) and not given by `levels`.
    """
    picture = _plain(picture, channels, levels)
    if picture.size != (size, size):
        width, height = picture.size
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        picture = picture.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return _pixels(picture)


def whole(picture: Image.Image, *, channels: int, levels: Levels = FULL_RANGE) -> Tensor:
    """Convert any picture to uint8 (channels, H, W): upright, on white, at its own size.

    Raises:
        ValueError: as `square`.
    """
    return _pixels(_plain(picture, channels, levels))


def extremes(picture: Image.Image) -> tuple[int, int] | None:
    """Return the smallest and largest pixel of a picture of 16-bit or 32-bit integers; None for other pictures."""
    if not picture.mode.startswith("I"):
        return None
    values = np.asarray(picture)
    return int(values.min()), int(values.max())


def _plain(picture: Image.Image, channels: int, levels: Levels) -> Image.Image:
    """Convert a picture to 8 bits, upright, on white, grey or RGB."""
    picture = _eight_bits(ImageOps.exif_transpose(picture), levels)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L" if channels == 1 else "RGB")


def _pixels(picture: Image.Image) -> Tensor:
    pixels = torch.from_numpy(np.array(picture))
    return pixels[None] if picture.mode == "L" else pixels.permute(2, 0, 1).contiguous()


def _eight_bits(picture: Image.Image, levels: Levels) -> Image.Image:
    """Scale 16-bit, 32-bit and float pixels to 8 bits (PIL's own conversion clips them)."""
    if picture.mode != "F" and not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("pixels that are NaN or infinite")
    if levels.white is not None:
        shares = np.clip((values - levels.black) / (levels.white - levels.black), 0, 1)
        return Image.fromarray(np.rint(shares * 255).astype(np.uint8))
    low, high = values.min(), values.max()
    if picture.mode == "F":
        scale, fits = (255.0 if high <= 1 else 1.0), low >= 0 and high <= 255
    else:
        scale, fits = 1 / 257, low >= 0 and high <= 65535  # 65535 / 257 = 255
    if not fits:
        raise ValueError(
            f"pixels of mode {picture.mode} from {low:g} to {high:g} have no known range; "
            f"data.black={low:g} data.white={high:g} would give one"
        )
    return Image.fromarray(np.rint(values * scale).astype(np.uint8))
