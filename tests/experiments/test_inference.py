"""Samples that a model is shown: files that are damaged, too large, or of a stranger."""

import io
import pickle
import struct
import zipfile
import zlib

import numpy as np
import pytest
import torch

import lightning_gans
from experiments import cli, sample
from lightning_gans.models import build, save_generator
from tests.helpers.received import MARKER, Payload

ENCODED = {
    "_target_": "lightning_gans.models.inference.InferenceModel",
    "prior": {"_target_": "lightning_gans.core.prior.Normal", "dim": 2},
    "generator": {
        "_target_": "lightning_gans.networks.mlp.MLPGenerator",
        "latent_dim": 2,
        "sample_shape": [1, 8, 8],
        "width": 8,
        "depth": 1,
        "batch_norm": False,
        "output": "tanh",
    },
    "encoder": {
        "_target_": "lightning_gans.networks.encoders.MLPEncoder",
        "sample_shape": [1, 8, 8],
        "code_dim": 2,
        "width": 8,
        "depth": 1,
        "batch_norm": False,
    },
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    save_generator(build(ENCODED).eval(), ENCODED, tmp_path / "run" / "generator")
    return tmp_path / "run"


def png_bomb(side):
    """A PNG of a few hundred bytes that declares side x side pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def npy(shape, data=b"", *, dtype="<f4", fortran=False, version=(1, 0)):
    """A .npy file with a header of one's own."""
    text = repr({"descr": dtype, "fortran_order": fortran, "shape": shape}).encode()
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + length + text + data


def npz(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples.npy", content)
    return file.getvalue()


def objects():
    file = io.BytesIO()
    np.savez(file, samples=np.array([Payload()] * 3, dtype=object))
    return file.getvalue()


X = np.random.default_rng(0).random((5, 1, 8, 8), np.float32)
FILES = {
    "bomb.png": (png_bomb(60_000), "declares more than 89,478,485 pixels"),
    "large.png": (png_bomb(10_000), "declares more than 89,478,485 pixels"),
    "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not an image"),
    "pickle.png": (pickle.dumps(Payload()), "not an image"),
    "objects.npz": (objects(), "samples"),
    "pickle.npz": (pickle.dumps(Payload()), "no array `samples`"),
    "array.npz": (npy((5, 1, 8, 8), X.tobytes()), "no array `samples`"),
    "huge.npz": (npz(npy((10**9, 1, 8, 8), X.tobytes())), "cut short"),
    "wide.npz": (npz(npy((5, 10**9, 8, 8))), "shape"),
    "negative.npz": (npz(npy((-5, 1, 8, 8), X.tobytes())), "its shape is"),
    "header.npz": (npz(npy((5, 1, 8, 8), version=(2, 0))), "another version"),
    "columns.npz": (npz(npy((10**9, 1, 8, 8), fortran=True)), "Fortran order and larger than"),
    "nan.npz": (npz(npy((5, 1, 8, 8), np.full_like(X, np.nan).tobytes())), "NaN or infinite"),
    "infinite.npz": (npz(npy((5, 1, 8, 8), np.full_like(X, np.inf).tobytes())), "NaN or infinite"),
    "overflow.npz": (npz(npy((5, 1, 8, 8), np.full((5, 1, 8, 8), 1e300).tobytes(), dtype="<f8")), "NaN or infinite"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("task", ["reconstruct", "encode", "interpolate"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_shown_is_refused(run, name, task, capsys):
    file = run.parent / name
    file.write_bytes(FILES[name][0])
    assert cli.run(lambda: sample.main(["run=run", f"{task}={name}"])) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {task}={name}")
    assert FILES[name][1] in said
    assert len(said.splitlines()) == 1
    assert not (run.parent / MARKER).exists()
    assert not (run / "samples").exists()


def test_a_bomb_in_a_folder_is_named(run, capsys):
    (run.parent / "in").mkdir()
    (run.parent / "in" / "bomb.png").write_bytes(png_bomb(60_000))
    assert cli.run(lambda: sample.main(["run=run", "reconstruct=in"])) == 2
    assert "in/bomb.png is not an image that can be read (it declares more than" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (X, X),
        (np.asfortranarray(X), X),
        (X.astype(">f4"), X),
        (X.astype(np.float64), X),
        (np.round(X * 255).astype(np.uint8), (np.round(X * 255) / 127.5 - 1).astype(np.float32)),
    ],
)
def test_the_first_samples_of_an_array_are_read(run, array, expected):
    np.savez_compressed(run.parent / "a.npz", samples=array)
    assert cli.run(lambda: sample.main(["run=run", "encode=a.npz", "npz=codes.npz", "n=3"])) == 0
    codes = lightning_gans.load_generator(run).encode(torch.from_numpy(expected[:3].copy())).numpy()
    assert np.allclose(np.load(run.parent / "codes.npz")["codes"], codes, atol=1e-6)


def test_no_more_is_read_than_is_asked_for(run):
    """An array that says a million million samples, of which three are there and asked for."""
    (run.parent / "a.npz").write_bytes(npz(npy((10**12, 1, 8, 8), X[:3].tobytes())))
    assert cli.run(lambda: sample.main(["run=run", "encode=a.npz", "npz=codes.npz", "n=3"])) == 0
    assert np.load(run.parent / "codes.npz")["codes"].shape == (3, 2)


def test_codes_that_are_not_finite_are_not_written(run, capsys):
    model = lightning_gans.load_generator(run)
    for weight in model.encoder.parameters():
        torch.nn.init.ones_(weight)  # so that the sum over pixels overflows
    save_generator(model, ENCODED, run / "generator")
    (run.parent / "a.npz").write_bytes(npz(npy((5, 1, 8, 8), np.full_like(X, 3e38).tobytes())))
    assert cli.run(lambda: sample.main(["run=run", "encode=a.npz"])) == 2
    assert "NaN or infinite" in capsys.readouterr().err
    assert not (run / "samples").exists()
