import errno
import fcntl
import multiprocessing
import os
import signal
import stat
import time

import pytest

from lightning_gans.core.errors import UserError
from lightning_gans.core.files import Held, atomic, cache_folder, held, overwrite, remove_temporaries, write_atomically


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


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    kept = ["last.ckpt", ".hidden", ".gitignore", ".a.b.c", ".last.ckpt.abcd1234.txt", ".nfs0123456789abcdef", "x"]
    for name in [*kept, ".last.ckpt.abcd_234.ckpt", ".x.abcdefgh"]:
        (tmp_path / name).touch()
    remove_temporaries(tmp_path)
    remove_temporaries(tmp_path / "nothing")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_file_is_written_over_as_long_as_it_fits(tmp_path, monkeypatch):
    path = tmp_path / "a"
    assert not overwrite(path, b"x")
    path.write_bytes(b"12345")
    assert overwrite(path, b"ab")
    assert path.read_bytes() == b"ab   "
    assert overwrite(path, b"1234567")
    assert path.read_bytes() == b"1234567"

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    assert not overwrite(path, b"12345678")
    assert path.read_bytes() == b"1234567"


def hold(path, said, release):
    with held(path, "process 7"):
        said.send("held")
        release.recv()


@pytest.fixture
def other(tmp_path):
    """Another process that holds tmp_path/lock; other.end() lets it go on, other.kill() does not."""
    context = multiprocessing.get_context("spawn")
    (here, there), (end, ended) = context.Pipe(), context.Pipe()
    process = context.Process(target=hold, args=(tmp_path / "lock", there, ended), daemon=True)
    process.start()
    assert here.recv() == "held"
    process.finish = lambda: (end.send("end"), process.join())
    yield process
    process.kill()
    process.join()


def take(path):
    with held(path, "me") as works:
        assert works
        return path.read_text()


def test_a_lock_is_held_by_one_process_and_removed_by_it(tmp_path, other):
    with pytest.raises(Held) as caught:
        take(tmp_path / "lock")
    assert caught.value.holder == "process 7"
    other.finish()
    assert not (tmp_path / "lock").exists()
    assert take(tmp_path / "lock") == "me"
    assert not (tmp_path / "lock").exists()


def test_a_lock_dies_with_its_process(tmp_path, other):
    other.kill()
    other.join()
    assert (tmp_path / "lock").read_text() == "process 7"
    assert take(tmp_path / "lock") == "me"


def test_a_lock_is_not_inherited(tmp_path):
    """A child process that outlives its parent, as a data loader's may, holds nothing."""
    path = tmp_path / "lock"
    read, write = os.pipe()
    parent = os.fork()
    if not parent:
        with held(path, "parent"):
            child = os.fork()
            if not child:
                time.sleep(30)
                os._exit(0)
            os.write(write, str(child).encode())
            os.kill(os.getpid(), signal.SIGKILL)
    child = int(os.read(read, 20))
    os.waitpid(parent, 0)
    assert take(path) == "me"
    os.kill(child, signal.SIGKILL)


def test_a_lock_that_was_removed_while_it_was_opened_is_made_anew(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    lockf, opened = fcntl.lockf, []

    def late(descriptor, command):
        if not opened:
            path.unlink()  # the one who had it ends between our open and our lock
        opened.append(descriptor)
        lockf(descriptor, command)

    monkeypatch.setattr(fcntl, "lockf", late)
    assert take(path) == "me"
    assert len(opened) == 2
