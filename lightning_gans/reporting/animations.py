"""Animations of pictures in memory: GIF, and MP4 by the ffmpeg that comes with imageio-ffmpeg (extra `video`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_gans.core.extras import need
from lightning_gans.core.files import atomic

GIF_SIDE, VIDEO_SIDE = 600, 1080  # pixels of a frame's longer side at most
FPS = 20


def there_and_back(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """The frames and then those between the last and the first, so that the animation can be repeated."""
    return [*frames, *frames[-2:0:-1]]


def save_gif(frames: Sequence[Image.Image], path: str | Path, *, fps: int = FPS) -> Path:
    """Write an animation that is repeated for ever, whole or not at all; equal frames give equal bytes.

    Raises:
        ValueError: no frames.
        UserError: the file cannot be written.
    """
    pictures = list(_fitted(frames, GIF_SIDE))
    if pictures[0].mode == "RGB":
        # One palette for all: colours do not flicker.
        colours = _side_by_side([pictures[0], pictures[len(pictures) // 2], pictures[-1]]).quantize(256)
        pictures = [picture.quantize(palette=colours, dither=Image.Dither.NONE) for picture in pictures]
    first, *rest = pictures
    with atomic(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
    return Path(path)


def save_video(frames: Sequence[Image.Image], path: str | Path, *, fps: int = FPS) -> Path:
    """Write an MP4 (H.264, 4:2:0, which every browser plays), whole or not at all.

    Raises:
        ValueError: no frames.
        UserError: the extra `video` is not installed, or the file cannot be written.
    """
    need("video")
    import imageio_ffmpeg

    pictures = [_even(picture.convert("RGB")) for picture in _fitted(frames, VIDEO_SIDE)]
    with atomic(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            pictures[0].size,
            fps=fps,
            codec="libx264",
            macro_block_size=2,
            # one thread, and no encoder's name and options in the file: equal frames give equal bytes
            output_params=["-threads", "1", "-bitexact", "-movflags", "+faststart"],
        )
        writer.send(None)
        for picture in pictures:
            writer.send(np.ascontiguousarray(picture))
        writer.close()
    return Path(path)


def _fitted(frames: Sequence[Image.Image], side: int) -> Iterator[Image.Image]:
    if not frames:
        raise ValueError("An animation needs at least one picture.")
    for frame in frames:
        picture = frame.copy()
        picture.thumbnail((side, side), Image.Resampling.BOX)
        yield picture


def _even(picture: Image.Image) -> Image.Image:
    """With an even number of pixels on each side, as 4:2:0 needs: a white column or row is added."""
    size = tuple(n + n % 2 for n in picture.size)
    if size == picture.size:
        return picture
    canvas = Image.new("RGB", (size[0], size[1]), "white")
    canvas.paste(picture)
    return canvas


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    return Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures], axis=1))
