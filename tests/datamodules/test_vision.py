import bz2
import gzip
import io
import pickle
import struct
import sys
import tarfile
import threading
import types
import urllib.error

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Vision, download, vision_files
from datamodules.vision_table import SETS
from lightning_gans.core.errors import UserError

RANDOM = np.random.default_rng(0)
TRAIN, TEST = 60, 20


def labels(count, classes=10):
    return (np.arange(count) % classes).astype(np.uint8)


def images(count, *shape):
    return RANDOM.integers(0, 256, (count, *shape), dtype=np.uint8)


def idx(array):
    return struct.pack(f">BBBB{array.ndim}i", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder, *, prefix="", test="t10k", packed=True):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for split, name, count in (("train", "train", TRAIN), ("test", test, TEST)):
        arrays[split] = images(count, 28, 28)
        for ending, array in (("images-idx3-ubyte", arrays[split]), ("labels-idx1-ubyte", labels(count))):
            data = idx(array)
            file = folder / f"{prefix}{name}-{ending}{'.gz' if packed else ''}"
            file.write_bytes(gzip.compress(data) if packed else data)
    return arrays


def vision(name, root, **settings):
    return Vision(**{"name": name, "root": str(root), "download": False, "channels": 1, **settings})


def listing(root):
    return sorted(str(path) for path in root.rglob("*"))


@pytest.mark.parametrize("place", ["MNIST/raw", "mnist", "raw", ".", "MNIST"])
@pytest.mark.parametrize("packed", [True, False])
def test_mnist_is_read_from_wherever_it_lies_and_nothing_is_written_there(tmp_path, place, packed):
    write_idx(tmp_path / place, packed=packed)
    before = listing(tmp_path)
    data = vision("mnist", tmp_path)
    assert {name: len(source) for name, source in data.sources.items()} == {"train": 48, "validation": 12, "test": 20}
    assert torch.bincount(data.split("test").labels).tolist() == [2] * 10
    batch = next(data.iteration_batches(0, 1))
    assert batch.x.shape == (64, 1, 32, 32)
    assert batch.label.dtype == torch.int64
    assert listing(tmp_path) == before


def test_sets_of_the_same_file_names_are_told_apart(tmp_path):
    write_idx(tmp_path / "MNIST" / "raw")
    with pytest.raises(UserError, match="data=kmnist is not in"):
        _ = vision("kmnist", tmp_path).sources
    with pytest.raises(UserError, match="data=kmnist is not in"):
        _ = vision("kmnist", tmp_path / "MNIST").sources
    write_idx(tmp_path / "KMNIST" / "raw")
    assert vision("kmnist", tmp_path).fingerprint != vision("mnist", tmp_path).fingerprint


def test_emnist_is_turned_the_right_way(tmp_path):
    arrays = write_idx(tmp_path / "EMNIST" / "raw", prefix="emnist-balanced-", test="test")
    upright = SETS["emnist"].read(vision("emnist", tmp_path).files)["train"].x[:, 0]
    assert torch.equal(upright, torch.from_numpy(arrays["train"]).transpose(1, 2))


def test_mnist_and_its_kin_may_be_had_as_they_are(tmp_path):
    arrays = write_idx(tmp_path / "MNIST" / "raw")
    data = vision("mnist", tmp_path, image_size=28)
    assert data.sample_shape == (1, 28, 28)
    (batch,) = data.split("test").batches(TEST)
    assert torch.equal(((batch.x + 1) * 127.5).round().to(torch.uint8)[:, 0], torch.from_numpy(arrays["test"]))
    assert data.fingerprint != vision("mnist", tmp_path).fingerprint
    for name, size in (("cifar10", 28), ("mnist", 30)):
        with pytest.raises(UserError, match=rf"data\.image_size={size} does not fit"):
            vision(name, tmp_path, image_size=size)


def test_usps_is_read_as_torchvision_reads_it(tmp_path):
    from torchvision.datasets import USPS

    folder = tmp_path / "mnist"  # a folder that belongs to another set, whose files USPS's cannot be mistaken for
    folder.mkdir()
    for name, count in (("usps.bz2", TRAIN), ("usps.t.bz2", TEST)):
        values = RANDOM.uniform(-1, 1, (count, 256)).round(6)
        rows = [
            " ".join([str(label + 1), *(f"{i}:{v:g}" for i, v in enumerate(row, 1))])
            for label, row in zip(labels(count), values, strict=True)
        ]
        (folder / name).write_bytes(bz2.compress("\n".join(rows).encode()))
    data = vision("usps", folder, image_size=16)
    theirs = USPS(folder, train=False)
    assert torch.equal(data.sources["test"].x[:, 0], torch.from_numpy(theirs.data))
    assert data.split("test").labels.tolist() == theirs.targets


def cifar(count, key=b"labels"):
    data = images(count, 3072)
    return data, pickle.dumps({b"data": data, key: labels(count).tolist()}, protocol=2)


def test_cifar_unpacked_or_not_is_the_same(tmp_path):
    folder = tmp_path / "a" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    first = []
    for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        data, content = cifar(12)
        first.append(data)
        (folder / name).write_bytes(content)
    (tmp_path / "b").mkdir()
    with tarfile.open(tmp_path / "b" / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(folder, folder.name)
    unpacked, packed = vision("cifar10", tmp_path / "a", channels=3), vision("cifar10", tmp_path / "b", channels=3)
    assert unpacked.fingerprint == packed.fingerprint
    assert torch.equal(packed.sources["test"].x, torch.from_numpy(first[-1]).view(-1, 3, 32, 32))
    parts = torch.cat([packed.sources["train"].x, packed.sources["validation"].x])
    assert len(parts) == 60
    assert len(packed.classes) == 10


def test_cifar100_has_fine_labels(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name, count in (("train", TRAIN), ("test", TEST)):
        (folder / name).write_bytes(cifar(count, b"fine_labels")[1])
    (folder / "meta").write_bytes(b"")
    data = vision("cifar100", tmp_path, channels=3)
    assert len(data.split("train")) == 48
    assert len(data.classes) == 100


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path):
    class Attack:
        def __reduce__(self):
            return (print, ("run",))

    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    for name in ("train", "test", "meta"):
        (folder / name).write_bytes(pickle.dumps(Attack()))
    with pytest.raises(UserError, match=r"cannot be read \(UnpicklingError: it wants builtins.print"):
        _ = vision("cifar100", tmp_path).sources


def test_svhn_and_stl10(tmp_path):
    from scipy.io import savemat

    for name, count in (("train_32x32.mat", TRAIN), ("test_32x32.mat", TEST)):
        content = images(count, 3, 32, 32)
        savemat(tmp_path / name, {"X": content.transpose(2, 3, 1, 0), "y": (labels(count) + 1)[:, None]})
    data = vision("svhn", tmp_path, channels=3)
    assert torch.equal(data.sources["test"].x, torch.from_numpy(content))
    assert data.split("test").labels.tolist() == [(label + 1) % 10 for label in labels(TEST)]

    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    for name, count in (("train", TRAIN), ("test", TEST)):
        content = images(count, 3, 96, 96)
        content.transpose(0, 1, 3, 2).tofile(folder / f"{name}_X.bin")
        (labels(count) + 1).tofile(folder / f"{name}_y.bin")
    assert torch.equal(SETS["stl10"].read(vision("stl10", tmp_path).files)["test"].x, torch.from_numpy(content))
    assert vision("stl10", tmp_path).split("test").labels.tolist() == labels(TEST).tolist()


def test_celeba_has_its_official_splits(tmp_path):
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for number in (1, 2, 162_770, 162_771, 182_637, 182_638, 202_599):
        Image.new("RGB", (178, 218), (number % 256, 0, 0)).save(folder / f"{number:06}.png")
    data = vision("celeba", tmp_path, image_size=64, channels=3, workers=0)
    assert {name: len(source) for name, source in data.sources.items()} == {"train": 3, "validation": 2, "test": 2}
    assert data.classes is None
    assert data.split("train").labels is None
    assert data.sources["validation"].x[:, 0, 0, 0].tolist() == [162_771 % 256, 182_637 % 256]
    (folder / "202599.png").unlink()
    (folder / "182638.png").unlink()
    with pytest.raises(UserError, match=r"not whole \(train: 3, validation: 2, test: 0 images\)"):
        _ = vision("celeba", tmp_path, workers=0).sources


class Database(dict):
    """As much of lmdb as is used."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def begin(self):
        return self

    def cursor(self):
        return self

    def iternext(self, *, keys, values):
        return iter(self)


def test_lsun_is_read_by_key(tmp_path, monkeypatch):
    def picture(value):
        file = io.BytesIO()
        Image.new("RGB", (40, 32), (value, 0, 0)).save(file, "PNG")
        return file.getvalue()

    databases = {}
    for split, values in (("train", range(20)), ("val", range(100, 104))):
        path = tmp_path / f"bedroom_{split}_lmdb"
        path.mkdir()
        (path / "data.mdb").write_bytes(b"x")
        databases[str(path)] = Database({f"key{value}".encode(): picture(value) for value in values})
    fake = types.SimpleNamespace(open=lambda path, **_: databases[path])
    monkeypatch.setitem(sys.modules, "lmdb", fake)
    data = vision("lsun_bedroom", tmp_path, channels=3, workers=0, batch_size=4)
    splits = {name: source.x[:, 0, 0, 0].tolist() for name, source in data.sources.items()}
    assert sorted(splits["train"] + splits["validation"]) == list(range(20))
    assert len(splits["validation"]) == 4
    assert splits["test"] == [100, 101, 102, 103]
    streamed = vision("lsun_bedroom", tmp_path, channels=3, workers=0, batch_size=4, in_memory=False)
    assert torch.equal(next(streamed.iteration_batches(3, 4)).x, next(data.iteration_batches(3, 4)).x)
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(UserError, match="pip install lmdb"):
        _ = vision("lsun_bedroom", tmp_path).sources


def test_a_damaged_file_is_named(tmp_path):
    write_idx(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"data=mnist is here but cannot be read .*train-images-idx3-ubyte\.gz"):
        _ = vision("mnist", tmp_path).sources


def test_absent_and_not_to_be_downloaded(tmp_path):
    with pytest.raises(UserError, match=r"data=mnist is not in .*data.download=false.* data_dir=DIR .*digits, ring"):
        _ = vision("mnist", tmp_path).sources
    with pytest.raises(UserError, match=r"nowhere is no folder, and data.download=false"):
        _ = vision("mnist", tmp_path / "nowhere").sources


def test_without_a_network_every_address_is_named(tmp_path, monkeypatch):
    def fail(request, timeout):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    with pytest.raises(UserError) as caught:
        _ = vision("mnist", tmp_path, download=True).sources
    text = str(caught.value)
    assert str(tmp_path) in text
    assert "Name or service not known" in text
    assert "data_dir=DIR" in text
    assert all(address in text for address in SETS["mnist"].addresses)
    assert "digits, ring, grid" in text
    assert listing(tmp_path) == []


def test_a_network_that_hangs_is_not_waited_for(monkeypatch):
    released = threading.Event()

    def hang(request, timeout):
        released.wait(20)
        raise urllib.error.URLError("too late")

    monkeypatch.setattr(urllib.request, "urlopen", hang)
    monkeypatch.setattr(download, "PATIENCE", 0.01)
    reasons = download.unreachable(["http://a", "http://b"])
    released.set()
    assert reasons == dict.fromkeys(["http://a", "http://b"], "no answer in 0.01 s")


def test_an_address_that_answers_anything_is_reachable(monkeypatch):
    def refuse(request, timeout):
        raise urllib.error.HTTPError(request.full_url, 403, "Forbidden", None, None)

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert download.unreachable(["http://a"]) == {}


def test_a_download_is_in_place_only_when_whole(tmp_path, monkeypatch):
    import torchvision

    calls = []

    def half(root, *, download):
        calls.append(root)
        (tmp_path / root / "MNIST" / "raw").mkdir(parents=True)
        raise RuntimeError("connection lost")

    def whole(root, *, download):
        calls.append(root)
        write_idx(tmp_path / root / "MNIST" / "raw")

    monkeypatch.setattr("datamodules.download.unreachable", lambda addresses: {})
    monkeypatch.setattr(torchvision.datasets, "MNIST", half)
    with pytest.raises(UserError, match=r"download from .* failed: RuntimeError: connection lost"):
        _ = vision("mnist", tmp_path, download=True).sources
    assert not (tmp_path / "MNIST").exists()
    monkeypatch.setattr(torchvision.datasets, "MNIST", whole)
    assert len(vision("mnist", tmp_path, download=True).split("train")) == 48
    assert (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").is_file()
    assert not (tmp_path / ".download").exists()
    assert len(vision("mnist", tmp_path, download=True).split("train")) == 48
    assert len(calls) == 2


def test_a_name_that_is_none_is_refused():
    with pytest.raises(UserError, match=r"data.name='mnits' .*mnist"):
        vision("mnits", ".")


@pytest.mark.parametrize("pack", ["gz", "tar.gz"])
def test_an_archive_that_unpacks_to_more_than_a_set_is_refused(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(vision_files, "MOST_BYTES", 10_000)
    if pack == "gz":
        write_idx(tmp_path, packed=True)
        (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0\0\x08\3" + bytes(20_000)))
        name = "mnist"
    else:
        name = "cifar10"
        with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
            member.size = 20_000
            archive.addfile(member, io.BytesIO(bytes(20_000)))
    with pytest.raises(UserError, match="unpacks to more than 10,000 bytes"):
        vision(name, tmp_path, download=False).setup()
