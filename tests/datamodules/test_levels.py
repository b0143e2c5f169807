"""Files of more than 8 bits: what becomes black and white."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Folder
from lightning_gans.core.errors import UserError


def write(path, values, dtype=np.uint16):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), 0, dtype) + np.asarray(values, dtype)).save(path)


@pytest.fixture
def xray(tmp_path):
    """12-bit values in 16-bit files."""
    for number in range(12):
        write(tmp_path / f"{number}.png", np.linspace(0, 4000 + number * 5, 8))
    return tmp_path


def folder(root, **settings):
    return Folder(root=str(root), **{"image_size": 8, "channels": 1, "workers": 0, **settings})


def highest(data, said=None):
    if said:
        with pytest.warns(UserWarning, match=said):
            data.setup()
    return max(int(source.x.max()) for source in data.sources.values())


@pytest.mark.parametrize("in_memory", [True, False])
def test_dark_files_of_16_bits_are_told_of_with_the_setting(xray, in_memory):
    data = folder(xray, in_memory=in_memory)
    with pytest.warns(UserWarning, match=r"from 0 to 4,055, .* Say data.white=4095 to") as caught:
        data.setup()
    assert len(caught) == 1


def test_they_are_told_of_where_a_cache_holds_their_pixels(xray, monkeypatch):
    monkeypatch.setattr("datamodules.cache.WORTH", -1.0)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"Say data.white=4095"):
            folder(xray).setup()


def test_white_is_the_value_given(xray):
    with warnings.catch_warnings(action="error"):
        data = folder(xray, white=4095)
        assert highest(data) == round(4055 / 4095 * 255)
    clipped, full = folder(xray, black=1000, white=2000), folder(xray)
    assert highest(clipped, "clips those beyond") == 255
    assert highest(full, "nearly black") == round(4055 / 257)
    assert len({data.fingerprint, clipped.fingerprint, full.fingerprint}) == 3


def test_a_range_that_begins_above_black_is_told_whole(tmp_path):
    for number in range(3):
        write(tmp_path / f"{number}.png", 900 + number)
    with pytest.warns(UserWarning, match=r"Say data.black=900 data.white=1023"):
        folder(tmp_path).setup()


def test_files_of_8_bits_stay_as_they_are(tmp_path):
    for number in range(6):
        write(tmp_path / f"{number}.png", number, np.uint8)
    write(tmp_path / "bright.png", 40_000)
    with warnings.catch_warnings(action="error"):
        data = folder(tmp_path, validation_share=0, test_share=0)
        x = data.sources["train"].x
    with pytest.warns(UserWarning, match="clips"):
        white = folder(tmp_path, validation_share=0, test_share=0, white=100).sources["train"].x
    assert torch.equal(x[:-1], white[:-1])
    assert white[-1].min() == 255


def test_ranges_that_are_not_known_are_given(tmp_path):
    write(tmp_path / "float.tiff", [-1024.0] * 4 + [3071.0] * 4, np.float32)
    write(tmp_path / "whole.tiff", [-1024] * 4 + [3071] * 4, np.int32)
    write(tmp_path / "nan.tiff", np.nan, np.float32)
    message = r"float\.tiff \(ValueError: pixels of mode F from -1024 to 3071 have no known range; data.black=-1024 "
    with pytest.raises(UserError, match=message):
        folder(tmp_path, on_bad_file="error").setup()
    settings = {"black": -1024, "white": 3071, "validation_share": 0, "test_share": 0}
    with pytest.warns(UserWarning, match=r"1 image file cannot be read: nan\.tiff .*NaN or infinite"):
        x = folder(tmp_path, **settings).sources["train"].x
    assert x.tolist() == [[[[0] * 4 + [255] * 4] * 8]] * 2


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"black": 5}, "data.black=5 goes with"),
        ({"black": 5, "white": 5}, "are no range"),
        ({"white": float("nan")}, "data.white=nan"),
        ({"white": "bright"}, "data.white='bright'"),
    ],
)
def test_what_is_no_range_is_refused(settings, said):
    with pytest.raises(UserError, match=said):
        Folder(root=".", **settings)
