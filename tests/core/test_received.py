import os

import pytest

from lightning_gans.core.errors import UserError
from lightning_gans.core.received import (
    DEEPEST,
    check_folder,
    inside,
    is_allowed,
    load_json,
    load_yaml,
    printable,
    read_text,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("grün, 数字 ±3 µs", "grün, 数字 ±3 µs"),
        ("\x1b[2J\r\n\t\0\x7f", r"\x1b[2J\r\n\t\x00\x7f"),
        ("a\u202eb\u2028c\ufeff", r"a\u202eb\u2028c\ufeff"),
        ("\udcff", r"\udcff"),  # a file name that is no UTF-8
        (None, "None"),
    ],
)
def test_control_characters_are_escaped(text, shown):
    assert printable(text) == shown


def test_long_text_is_cut():
    assert printable("x" * 100, 10) == "xxxxxxx..."
    assert printable("x" * 10, 10) == "x" * 10


def test_allowed_names_are_whole():
    assert is_allowed("mine.nets.G", ["mine"])
    assert is_allowed("mine.nets.G", ["mine.nets."])
    assert is_allowed("mine.nets.G", ["mine.nets.G"])
    for target in ("mine2.G", "min", "os.system", ""):
        assert not is_allowed(target, ["mine", "", "."])


def load(tmp_path, text, name="a.yaml"):
    (tmp_path / name).write_text(text)
    return (load_yaml if name.endswith("yaml") else load_json)(tmp_path / name)


def test_plain_files_are_read(tmp_path):
    assert load(tmp_path, "a: 1\nb: [x, 2.5, null, true]\nc: &c {d: 1}\ne: *c\n") == {
        "a": 1,
        "b": ["x", 2.5, None, True],
        "c": {"d": 1},
        "e": {"d": 1},
    }
    assert load(tmp_path, '{"a": [1, 2.5, null]}', "a.json") == {"a": [1, 2.5, None]}
    assert load(tmp_path, "[" * DEEPEST + "]" * DEEPEST)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "parsing"),
        ("!!python/object/apply:os.getcwd []", "constructor for the tag"),
        ("a: &a [*a]", "alias of nothing, or of what it stands in"),
        ("a: *b", "alias of nothing|undefined alias"),
        ("a: &a {x: 1}\nb: {<<: *a}", "merge key"),
        ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "levels deep"),
        ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40, "levels deep"),
        ("[" * 200_000, "levels deep"),
        ("- x\n" * 100_001, "more than 100,000 values"),
        ("a: 0x" + "f" * 40, "more than 64 bits"),
        ("a: " + "9" * 5000, "digits"),
        ("a: 2001-99-99", "month"),
        ("a: !!int ''", "index"),
        ("a: !!bool maybe", "maybe"),
        ("? [a]\n: 1", "constructing a mapping"),
        ("#" * 2**21, "larger than"),
    ],
)
def test_other_yaml_is_refused(tmp_path, text, why):
    with pytest.raises(ValueError, match=why):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting"),
        ("[" * 100_000, "levels deep"),
        ('{"a":' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), "levels deep"),
        ("1" * 40, "more than 64 bits"),
        ("1" * 5000, "digits"),
        ("\xff", "Expecting"),
    ],
)
def test_other_json_is_refused(tmp_path, text, why):
    with pytest.raises(ValueError, match=why):
        load(tmp_path, text, "a.json")


def test_files_that_are_no_text_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "large").write_text("x" * 11)
    for name, why in (("pipe", "regular"), ("device", "regular"), ("bytes", "utf-8"), ("large", "larger than 10")):
        with pytest.raises(ValueError, match=why):
            read_text(tmp_path / name, 10)
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "nothing")
    with pytest.raises(OSError, match="directory"):
        read_text(tmp_path)


def test_links_may_not_lead_out(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").touch()
    (run / "checkpoints" / "best.ckpt").symlink_to("last.ckpt")
    (run / "again").symlink_to(run / "checkpoints")
    (tmp_path / "link").symlink_to(run)
    for folder in (run, tmp_path / "link", tmp_path / "nowhere"):
        check_folder(folder)
    assert inside(run / "checkpoints" / "best.ckpt", run) == run / "checkpoints" / "best.ckpt"
    (run / "checkpoints" / "other.ckpt").symlink_to("/etc/passwd")
    with pytest.raises(UserError, match=r"other\.ckpt is a symbolic link out of"):
        check_folder(run)
    (run / "round").symlink_to("round")
    with pytest.raises(UserError, match="is a symbolic link out of"):
        check_folder(run)
    with pytest.raises(UserError, match="is a symbolic link out of"):
        inside(run / ".." / "elsewhere", run)


def test_the_logs_of_loggers_are_left_alone(tmp_path):
    (tmp_path / "wandb" / "run").mkdir(parents=True)
    (tmp_path / "wandb" / "run" / "debug.log").symlink_to("/elsewhere/debug.log")
    check_folder(tmp_path)
