import os
import stat

import pytest

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import atomic, cache_folder, write_atomically


def test_text_and_bytes_are_written_whole(tmp_path):
    write_atomically(tmp_path / "deep" / "a.txt", "grün")
    write_atomically(tmp_path / "b.bin", b"\x00\xff")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == "grün".encode()
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"


def test_until_the_new_file_is_whole_the_path_holds_the_old_one(tmp_path):
    path = tmp_path / "last.ckpt"
    write_atomically(path, "old")

    def write():
        with atomic(path) as temporary:
            temporary.write_text("half of the n")
            assert path.read_text() == "old"
            assert temporary.suffix == ".ckpt"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]


def test_it_is_fsynced_before_it_takes_the_place(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda *paths: (events.append("replace"), replace(*paths))[1])
    write_atomically(tmp_path / "a", "x")
    assert events == ["fsync", "replace", "fsync"]  # the file, the name, the folder


def test_permissions_are_those_of_any_new_file(tmp_path):
    write_atomically(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match=r"Could not write .*file.inside.*choose a folder"):
        write_atomically(tmp_path / "file" / "inside", "x")


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("LIGHTNING_GANS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("LIGHTNING_GANS_CACHE")
    assert cache_folder().parts[-2:] == (".cache", "lightning-gans")
