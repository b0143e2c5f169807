"""GIF and MP4 of pictures in memory."""

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from lightning_gans.core import extras
from lightning_gans.core.errors import UserError
from lightning_gans.reporting.animations import save_gif, save_video, there_and_back


def frames(mode="L", count=4, size=(33, 21)):
    rng = np.random.default_rng(0)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    return [Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)) for _ in range(count)]


def test_there_and_back_repeats_neither_end():
    a, b, c = frames(count=3)
    assert there_and_back([a, b, c]) == [a, b, c, b]
    assert there_and_back([a, b]) == [a, b]
    assert there_and_back([a]) == [a]


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_gif_has_every_frame(mode, tmp_path):
    pictures = frames(mode)
    save_gif(pictures, tmp_path / "a.gif", fps=20)
    with Image.open(tmp_path / "a.gif") as found:
        assert (found.n_frames, found.info["duration"], found.info["loop"]) == (4, 50, 0)
        for number, picture in enumerate(pictures):
            found.seek(number)
            if mode == "L":
                assert np.array_equal(np.asarray(found.convert("L")), np.asarray(picture))
    before = (tmp_path / "a.gif").read_bytes()
    save_gif(pictures, tmp_path / "a.gif", fps=20)
    assert (tmp_path / "a.gif").read_bytes() == before


def test_large_frames_are_made_smaller(tmp_path):
    save_gif(frames(size=(1300, 700), count=2), tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as found:
        assert max(found.size) == 600


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_video_has_every_frame_and_even_sides(mode, tmp_path):
    pictures = frames(mode, count=6)
    save_video(pictures, tmp_path / "a.mp4")
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "a.mp4"))
    about = next(reader)
    assert about["size"] == (34, 22)
    assert about["codec"] == "h264"
    assert about["fps"] == 20
    assert len(list(reader)) == 6
    before = (tmp_path / "a.mp4").read_bytes()
    save_video(pictures, tmp_path / "a.mp4")
    assert (tmp_path / "a.mp4").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_no_frames_are_refused(tmp_path):
    for save in (save_gif, save_video):
        with pytest.raises(ValueError, match="at least one picture"):
            save([], tmp_path / "a")


def test_the_extra_of_videos_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"video= needs the package imageio_ffmpeg.*pip install 'lightning-gans\[video\]'"
    ):
        save_video(frames(), tmp_path / "a.mp4")
