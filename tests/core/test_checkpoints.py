"""Checkpoint files: any damage is noticed before anything is read, and none of it by a traceback."""

import os
import resource
import subprocess
import sys
import zipfile

import pytest
import torch

from lightning_gans.core import checkpoints
from lightning_gans.core.checkpoints import DamagedCheckpoint
from lightning_gans.core.errors import UserError

STATE = {
    "global_step": 7,
    "state_dict": {"a": torch.arange(5.0), "b": torch.tensor([1, 2])},
    "game": {"iteration": 7, "scores": {}},
}


def same(found):
    tensors = found["state_dict"]
    return (
        (found["global_step"], found["game"]) == (STATE["global_step"], STATE["game"])
        and list(tensors) == ["a", "b"]
        and all(torch.equal(tensors[name], STATE["state_dict"][name]) for name in tensors)
    )


@pytest.fixture
def path(tmp_path):
    checkpoints.save(STATE, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def noticed(path):
    """Return True if damage is noticed, by a sentence."""
    try:
        checkpoints.verify(path)
    except DamagedCheckpoint as error:
        return "\n" not in str(error)
    return False


def test_what_is_loaded_is_what_was_saved_by_torch_as_well(path):
    assert same(checkpoints.load(path))
    assert same(torch.load(path, weights_only=True))
    assert same(torch.load(path, weights_only=True, mmap=True))
    assert checkpoints.iteration_of(path) == 7


def test_a_flipped_bit_anywhere_is_noticed(path):
    """In tensors, names, headers, padding and the archive's directory, which has no checksum of its own."""
    whole = path.read_bytes()
    for place in [*range(0, len(whole) - 500, 3), *range(len(whole) - 500, len(whole))]:
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        path.write_bytes(data)
        assert noticed(path), place


def test_a_file_cut_short_anywhere_is_noticed(path):
    whole = path.read_bytes()
    for length in [0, 1, 30, *range(100, len(whole), 37), *range(len(whole) - 120, len(whole))]:
        path.write_bytes(whole[:length])
        assert noticed(path), length
        with pytest.raises(DamagedCheckpoint):
            checkpoints.load(path)


@pytest.mark.parametrize("size", [64, 512, 4096])
def test_a_block_of_zeros_is_noticed(path, size):
    whole = path.read_bytes()
    for start in range(0, max(len(whole) - size, 1), max(size // 3, 1)):
        data = bytearray(whole)
        data[start : start + size] = bytes(len(data[start : start + size]))
        path.write_bytes(data)
        assert data == whole or noticed(path)


def test_a_checkpoint_without_a_seal_has_the_archives_own_checksums(path):
    torch.save(STATE, path)
    assert same(checkpoints.load(path))
    data = bytearray(path.read_bytes())
    at = data.index(STATE["state_dict"]["a"].numpy().tobytes())
    data[at + 9] ^= 4
    path.write_bytes(data)
    assert noticed(path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", bytes(5000), os.urandom(5000)])
def test_what_is_no_checkpoint_is_refused(path, content):
    path.write_bytes(content)
    assert noticed(path)


def test_other_archives_and_places_are_refused(path, tmp_path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 1000)
    assert noticed(path)
    torch.save([1, 2], path)
    with pytest.raises(DamagedCheckpoint, match="no state_dict"):
        checkpoints.load(path)
    torch.save({"state_dict": {}, "code": os.system}, path)
    with pytest.raises(DamagedCheckpoint, match="more than tensors"):
        checkpoints.load(path)
    assert noticed(tmp_path)
    assert noticed(tmp_path / "nothing")


def test_the_first_intact_one_is_chosen(path, tmp_path):
    empty = tmp_path / "empty.ckpt"
    empty.touch()
    found, damaged = checkpoints.newest_intact([empty, tmp_path / "gone", path])
    assert found == path
    assert [error.why for error in damaged][1:] == ["No such file or directory"]
    assert checkpoints.newest_intact([empty])[0] is None


def test_verifying_needs_no_torch(path):
    code = f"""
import sys
from lightning_gans.core import checkpoints
checkpoints.verify({str(path)!r})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_on_a_full_disk_the_old_checkpoint_stays(path, tmp_path):
    """A limit on the size of files, which the kernel keeps: torch itself says nothing of the reason."""
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"Could not write .*last\.ckpt: File too large.*before is kept"):
            checkpoints.save(STATE | {"more": torch.zeros(1_000_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_checkpoint_is_on_the_disk_before_it_replaces_an_older_one(path, tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *paths: (events.append("replace"), replace(*paths))[1])
    checkpoints.save(STATE, path)
    checkpoints.copy(path, tmp_path / "best.ckpt")
    assert events == ["fsync", "replace", "fsync"] * 2
    assert not path.samefile(tmp_path / "best.ckpt")
    assert (tmp_path / "best.ckpt").read_bytes() == path.read_bytes()
