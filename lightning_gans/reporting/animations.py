"""Animations of pictures in memory: GIF, and MP4 with the ffmpeg of imageio-ffmpeg (extra `video`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_gans.core.extras import need
from lightning_gans.core.files import atomic

GIF_SIDE, VIDEO_SIDE = 600, 1080  # largest length of a frame's longer side, in pixels
FPS = 20


def there_and_back(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Append the frames in reverse order, without the first and the last, so that the animation can be repeated."""
    return [*frames, *frames[-2:0:-1]]


def save_gif(frames: Sequence[Image.Image], path: str | Path, *, fps: int = FPS) -> Path:
    """Write an animation that loops forever, atomically; equal frames give equal bytes.

    Raises:
        ValueError: no frames.
        UserError: the file cannot be written.
    """
    pictures = list(_fitted(frames, GIF_SIDE))
    if pictures[0].mode == "RGB":
        # One palette for all frames, so that colours do not flicker.
        colours = _side_by_side([pictures[0], pictures[len(pictures) // 2], pictures[-1]]).quantize(256)
        pictures = [picture.quantize(palette=colours, dither=Image.Dither.NONE) for picture in pictures]
    first, *rest = pictures
    with atomic(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=rest, duration=round(1000 / fps), loop=0)
    return Path(path)


def save_video(frames: Sequence[Image.Image], path: str | Path, *, fps: int = FPS) -> Path:
    """Write an MP4 (H.264, 4:2:0, which every browser plays) atomically.

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
            # one thread, and no encoder name or options in the file, so that equal frames give equal bytes
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
    """Pad a picture with a white column or row to an even number of pixels on each side, as 4:2:0 requires."""
    size = tuple(n + n % 2 for n in picture.size)
    if size == picture.size:
        return picture
    canvas = Image.new("RGB", (size[0], size[1]), "white")
    canvas.paste(picture)
    return canvas


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    return Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures], axis=1))
