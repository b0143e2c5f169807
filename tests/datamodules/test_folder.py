import itertools
import struct
import warnings
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Folder
from lightning_gans.core.errors import UserError


def paint(path, value, shape=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


@pytest.fixture
def flat(tmp_path):
    """100 grey images, each of another value, at two depths."""
    for value in range(100):
        paint(tmp_path / ("deep/er" if value % 2 else ".") / f"{value:03}.png", value)
    return tmp_path


def folder(root, **settings):
    return Folder(root=str(root), **{"image_size": 8, "channels": 1, "workers": 0, **settings})


def ignored():
    return warnings.catch_warnings(action="ignore")


def contents(data):
    """The values of each split's images."""
    return {name: [int(x) for x in source.x[:, 0, 0, 0]] for name, source in data.sources.items()}


def test_a_flat_folder_has_no_classes_and_disjoint_splits(flat):
    data = folder(flat)
    splits = contents(data)
    assert data.classes is None
    assert data.split("train").labels is None
    assert sorted(itertools.chain(*splits.values())) == list(range(100))
    assert 4 <= len(splits["validation"]) <= 20
    assert 4 <= len(splits["test"]) <= 20
    assert contents(folder(flat)) == splits


def test_a_new_file_moves_no_other(flat):
    before = contents(folder(flat))
    for value in range(100, 150):
        paint(flat / f"{value:03}.png", value)
    after = contents(folder(flat))
    for name in before:
        assert [value for value in after[name] if value < 100] == before[name]


def test_class_folders_are_the_labels(tmp_path):
    for value in range(30):
        paint(tmp_path / ("cats/siamese" if value % 3 else "dogs") / f"{value}.png", value)
    data = folder(tmp_path)
    assert data.classes == ("cats", "dogs")
    for source in data.sources.values():
        assert torch.equal(source.labels, (source.x[:, 0, 0, 0] % 3 == 0).long())
    paint(tmp_path / "loose.png", 99)
    assert folder(tmp_path).classes is None
    paint(tmp_path / "one" / "only" / "a.png", 0)
    assert folder(tmp_path / "one").classes is None


def test_top_folders_are_the_splits(tmp_path):
    for value in range(12):
        paint(tmp_path / "train" / "ab"[value % 2] / f"{value}.png", value)
        paint(tmp_path / "val" / "ab"[value % 2] / f"{value}.png", 100 + value)
    data = folder(tmp_path)
    splits = contents(data)
    assert data.classes == ("a", "b")
    assert sorted(splits["validation"]) == list(range(100, 112))
    assert sorted(splits["train"] + splits["test"]) == list(range(12))
    assert splits["test"]
    assert torch.equal(data.sources["validation"].labels, data.sources["validation"].x[:, 0, 0, 0].long() % 2)
    whole = contents(folder(tmp_path, test_share=0))
    assert sorted(whole["train"]) == list(range(12))
    assert whole["test"] == []


def test_three_files_are_one_for_each_split(tmp_path):
    for value in range(3):
        paint(tmp_path / f"{value}.png", value)
    assert {name: len(values) for name, values in contents(folder(tmp_path)).items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }


@pytest.mark.parametrize("workers, load_size", [(0, None), (2, None), (0, 9)])
def test_both_paths_give_the_same_batches(tmp_path, workers, load_size):
    generator = np.random.default_rng(0)
    for number in range(24):
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (10, 13, 3), dtype=np.uint8)).save(path)
    settings = {"batch_size": 6, "horizontal_flip": True, "channels": 3, "load_size": load_size}
    held = folder(tmp_path, in_memory=True, **settings)
    streamed = folder(tmp_path, in_memory=False, workers=workers, **settings)
    state = torch.get_rng_state()
    pairs = zip(held.iteration_batches(5, 9, 1, 1, 2), streamed.iteration_batches(5, 9, 1, 1, 2), strict=True)
    for here, there in pairs:
        assert torch.equal(here.x, there.x)
        assert torch.equal(here.label, there.label)
        assert here.x.shape == (3, 3, 8, 8)
    assert torch.equal(torch.get_rng_state(), state)
    for name in held.sources:
        for here, there in zip(held.split(name).batches(4), streamed.split(name).batches(4), strict=True):
            assert torch.equal(here.x, there.x)
            assert torch.equal(here.label, there.label)


def test_auto_streams_what_is_too_large(flat, monkeypatch):
    from datamodules import images

    assert hasattr(folder(flat).sources["train"], "x")
    monkeypatch.setattr(images, "IN_MEMORY_BYTES", 100 * 64 - 1)
    assert not hasattr(folder(flat).sources["train"], "x")


@pytest.fixture
def damaged(tmp_path):
    for value in range(40):
        paint(tmp_path / "ab"[value % 2] / f"{value}.png", value, (8, 8))
    for name in ("a/0.png", "b/1.png"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    (tmp_path / "a/2.png").write_text("not an image")
    return tmp_path


def test_bad_files_are_named_counted_and_skipped(damaged):
    data = folder(damaged)
    with pytest.warns(UserWarning, match="cannot be read") as caught:
        splits = contents(data)
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.startswith("3 image files cannot be read: ")
    assert all(name in text for name in ("a/0.png", "b/1.png", "a/2.png"))
    assert sorted(itertools.chain(*splits.values())) == list(range(3, 40))
    for source in data.sources.values():
        assert torch.equal(source.labels, source.x[:, 0, 0, 0].long() % 2)


def test_bad_files_are_refused_on_request(damaged):
    with pytest.raises(UserError, match=r"3 image files cannot be read: .*data.on_bad_file=skip"):
        _ = folder(damaged, on_bad_file="error").sources
    streamed = folder(damaged, on_bad_file="error", in_memory=False, batch_size=40)
    with pytest.raises(UserError, match="cannot be read"):
        list(streamed.iteration_batches(0, 1))


def test_a_streamed_bad_file_is_replaced_by_one_of_its_class(damaged):
    data = folder(damaged, in_memory=False, batch_size=40)
    with pytest.warns(UserWarning, match="cannot be read") as caught:
        batches = list(data.iteration_batches(0, 3))
    assert len(caught) == 1
    assert len(data.bad_files) == 3 - len([f for n in ("validation", "test") for f in data.files[n] if f.size <= 40])
    for batch in batches:
        assert batch.x.shape == (40, 1, 8, 8)
        assert torch.equal(((batch.x[:, 0, 0, 0] + 1) * 127.5).round().long() % 2, batch.label)


def test_what_holds_no_image_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data.root=.*nowhere is not a folder.*digits"):
        _ = folder(tmp_path / "nowhere").sources
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match=r"holds no image file \(looked for \.bmp"):
        _ = folder(tmp_path).classes
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(UserError, match="no training image that can be read; the first file is a"), ignored():
        _ = folder(tmp_path).sources
    with pytest.raises(UserError, match="None of the image files"), ignored():
        list(folder(tmp_path, in_memory=False, batch_size=1).iteration_batches(0, 1))


def test_links_that_lead_back_up_end(flat):
    (flat / "deep" / "loop").symlink_to(flat, target_is_directory=True)
    assert len(folder(flat).files["train"]) == len(set(folder(flat).files["train"]))


def test_the_fingerprint_follows_names_content_and_preprocessing(flat):
    first = folder(flat).fingerprint
    assert folder(flat, batch_size=8, workers=2, horizontal_flip=True).fingerprint == first
    assert folder(flat, image_size=16).fingerprint != first
    assert folder(flat, test_share=0.3).fingerprint != first
    paint(flat / "000.png", 1)
    assert folder(flat).fingerprint != first


@pytest.mark.parametrize(
    "settings, key",
    [
        ({"root": ""}, "root"),
        ({"validation_share": 0.5, "test_share": 0.5}, "validation_share"),
        ({"test_share": -0.1}, "test_share"),
        ({"on_bad_file": "ignore"}, "on_bad_file"),
        ({"in_memory": "yes"}, "in_memory"),
        ({"workers": -1}, "workers"),
        ({"horizontal_flip": "maybe"}, "horizontal_flip"),
    ],
)
def test_a_value_out_of_range_is_refused(settings, key):
    with pytest.raises(UserError, match=rf"data\.{key}="):
        Folder(**{"root": ".", **settings})


def test_a_decompression_bomb_is_a_bad_file(tmp_path):
    """A few hundred bytes that declare 3.6 billion pixels, and a script that PIL would give to Ghostscript."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for name in "abcdefgh":
        Image.new("L", (8, 8)).save(tmp_path / f"{name}.png")
    for name, side in (("bomb", 60_000), ("large", 10_000)):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
        bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
        (tmp_path / f"{name}.png").write_bytes(bomb)
    (tmp_path / "script.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(UserError, match=r"3 image files cannot be read: .*declares more than 89,478,485 pixels"):
        _ = Folder(root=str(tmp_path), image_size=8, channels=1, on_bad_file="error").sources
