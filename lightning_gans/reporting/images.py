"""Images as files: grids of samples (PNG) and animations (GIF)."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightning_gans.core.files import atomic, write_atomically

GAP = 2  # pixels between cells
CELL = 64  # least size of a cell in pixels
LONGEST = 4096  # pixels: a grid whose side would be longer is not enlarged

FRAMES = 40  # largest number of frames of an animation
FRAME_SIDE = 600  # largest side in pixels: eight cells of 64 fit unscaled
FRAME_MS, LAST_MS = 120, 2500  # milliseconds; the last frame is held


def to_uint8(x: Tensor) -> Tensor:
    """Convert images (N, C, H, W), float in [-1, 1], to uint8: rounded, clamped; NaN becomes 0. uint8 is unchanged."""
    if x.dtype == torch.uint8:
        return x
    return ((x.detach().float() + 1) * 127.5).nan_to_num(nan=0.0).round_().clamp_(0, 255).to(torch.uint8)


def is_picture(sample_shape: Sequence[int]) -> bool:
    """Return True if samples of this shape can be drawn: images (C, H, W), or points on a line or plane, (1,), (2,)."""
    return len(sample_shape) == 3 or tuple(sample_shape) in ((1,), (2,))


def to_picture(x: Tensor) -> Image.Image:
    """Convert an image (C, H, W), uint8: grey for C = 1, RGB for C = 3, the mean of the channels for any other C."""
    if x.shape[0] not in (1, 3):
        x = x.float().mean(0, keepdim=True).round().to(torch.uint8)
    array = x.cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def image_grid(x: Tensor, columns: int) -> Image.Image:
    """Arrange images (N, C, H, W), float in [-1, 1] or uint8, N > 0, row by row with white gaps of 2 px.

    Small images are enlarged by a whole factor, pixel by pixel, until a cell has 64 px.
    """
    cells = to_uint8(x).cpu()
    n, channels, height, width = cells.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    longest = max(rows * height, columns * width)
    factor = max(1, min(math.ceil(CELL / max(height, width)), LONGEST // longest))
    height, width = height * factor, width * factor
    down, right = height + GAP, width + GAP
    canvas = torch.full((channels, rows * down - GAP, columns * right - GAP), 255, dtype=torch.uint8)
    for i, cell in enumerate(cells):
        top, left = i // columns * down, i % columns * right
        enlarged = cell.repeat_interleave(factor, 1).repeat_interleave(factor, 2)
        canvas[:, top : top + height, left : left + width] = enlarged
    return to_picture(canvas)


def png(image: Image.Image) -> bytes:
    """Encode the picture as a PNG; equal pictures give equal bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def save_png(image: Image.Image, path: str | Path) -> Path:
    """Write the picture atomically; raises UserError if that fails."""
    write_atomically(path, png(image))
    return Path(path)


def gif(paths: Sequence[Path], out: str | Path, *, frames: int = FRAMES, side: int = FRAME_SIDE) -> Path:
    """Write an animation of pictures in the given order atomically; the last one is held.

    frames: largest number of frames; of more pictures, that many are taken at equal steps, including first and last.
    side: largest length of a frame's longer side, in pixels.

    Raises:
        ValueError: no pictures.
    """
    if not paths:
        raise ValueError("An animation needs at least one picture.")
    count = min(len(paths), frames)
    chosen = [paths[round(i * (len(paths) - 1) / max(count - 1, 1))] for i in range(count - 1)] + [paths[-1]]
    pictures = [_frame(path, side) for path in chosen]
    if pictures[-1].mode == "RGB":
        # One palette for all frames: colours do not flicker, and the choice of 256 colours is the slowest part.
        colours = _side_by_side([pictures[0], pictures[count // 2], pictures[-1]]).quantize(256)
        pictures = [picture.quantize(palette=colours, dither=Image.Dither.NONE) for picture in pictures]
    first, *rest = pictures
    with atomic(out) as temporary:
        first.save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=rest,
            duration=[FRAME_MS] * len(rest) + [LAST_MS],
            loop=0,
        )
    return Path(out)


def _frame(path: Path, side: int) -> Image.Image:
    with Image.open(path) as picture:
        picture.thumbnail((side, side), Image.Resampling.BOX)
        return picture.copy()


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    return Image.fromarray(
        np.concatenate([np.asarray(picture.resize(pictures[0].size)) for picture in pictures], axis=1)
    )
