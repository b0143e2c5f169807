"""Safe reading of untrusted files: within size limits, and printed without control characters.

Everything here is plain Python: nothing is imported by a name in a file, and nothing is unpickled.
"""

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lightning_gans.core.errors import UserError

MOST_BYTES = 2**24  # of a text file
MOST_YAML = 2**20  # a configuration takes about 4 kB
MOST_VALUES = 100_000  # of a YAML file: a configuration has about 150
DEEPEST = 64  # nesting: a configuration has 7 levels
LARGEST = 2**64  # of a whole number: printing one takes time that grows with the square of its digits
FOLDERS = ("generator", "checkpoints", "samples")  # of a run's folder, which commands read and write

# The safe loaders create only plain containers and scalars; tags such as !!python/object are errors.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TOO_DEEP = f"it is nested more than {DEEPEST} levels deep"


def printable(text: object, most: int | None = None) -> str:
    """Escape control, format and surrogate characters (`\x1b`) of `text`, in one line, for a terminal.

    most: maximum length in characters; longer text is cut and ends with an ellipsis.
    """
    line = str(text)
    line = line if most is None or len(line) <= most else f"{line[: most - 3]}..."
    return line if line.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in line)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def is_allowed(target: str, allow: Sequence[str]) -> bool:
    """Return True if a dotted name is one of `allow` or lies in a module of them; a trailing dot is optional."""
    return any(f"{target}.".startswith(f"{name.rstrip('.')}.") for name in allow if name.strip("."))


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a regular UTF-8 file of at most `most` bytes.

    Raises:
        OSError: it does not exist or may not be read.
        ValueError: it is a device, pipe or socket, is too large, or is not UTF-8 text; the message gives the reason.
    """
    # Opening a named pipe would wait for its other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    return content.decode("utf-8")


def load_yaml(path: Path) -> Any:
    """Read a YAML file: dictionaries, lists, strings, numbers, dates.

    A few lines of aliases (`*name`) could expand to more values than fit into memory, so they are counted as expanded,
    and merge keys (`<<`) are refused.

    Raises:
        OSError: it does not exist or may not be read.
        ValueError: not YAML, tags of Python objects, or beyond the limits of this module; the message gives the reason.
    """
    text = read_text(path, MOST_YAML)
    try:
        _check_events(text)
        content = yaml.load(text, Loader=_Loader)
    except Exception as error:  # PyYAML's constructors raise nearly anything on a malformed scalar
        raise ValueError(str(error).partition("\n")[0] or type(error).__name__) from error
    _check(content)
    return content


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: it does not exist or may not be read.
        ValueError: not JSON, or beyond the limits of this module; the message gives the reason.
    """
    text = read_text(path)
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _check(content)
    return content


def _check_events(text: str) -> None:
    """Refuse deep nesting and repetition before anything is built: libyaml composes nodes recursively.

    An alias (`*name`) counts as the values that it stands for.
    """
    known: dict[str, tuple[int, int]] = {}  # anchor -> number of values, levels
    open_: list[list[Any]] = [[None, 0, 0]]  # anchor, number of values, levels below
    for event in yaml.parse(text, Loader=_Loader):
        values, levels = 0, 0
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append([event.anchor, 1, 0])
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, values, levels = open_.pop()
            levels += 1
            if anchor is not None:
                known[anchor] = values, levels
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in known:
                raise ValueError(f"*{event.anchor} is an alias of nothing, or of what it stands in")
            values, levels = known[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            if event.value == "<<" and event.implicit[0]:
                raise ValueError("it has a merge key (<<), which is not read")
            values = 1
            if event.anchor is not None:
                known[event.anchor] = 1, 0
        open_[-1][1] += values
        open_[-1][2] = max(open_[-1][2], levels)
        if open_[-1][1] > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES:,} values, aliases written out")
        if len(open_) + open_[-1][2] - 1 > DEEPEST:
            raise ValueError(_TOO_DEEP)


def _check(value: Any, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError("it has a whole number of more than 64 bits")
    if isinstance(value, Mapping):
        for key in value:
            _check(key, depth + 1)
    if isinstance(value, Mapping | list | tuple | set):
        for item in value.values() if isinstance(value, Mapping) else value:
            _check(item, depth + 1)


def inside(path: Path, folder: Path) -> Path:
    """Return `path` if it lies in `folder` and its symbolic links do not lead out of it.

    Raises:
        UserError: it does not.
    """
    try:
        leads_out = not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # circular links
        leads_out = True
    if leads_out:
        raise UserError(
            f"{path} is a symbolic link out of {folder}. A run's folder is read and written by itself: put the file "
            "or folder in the place of the link."
        )
    return path


def check_folder(folder: Path) -> None:
    """Refuse a run's folder that contains pipes, devices, sockets, or symbolic links that lead out of it.

    The folder itself may be a link. Its entries and those of generator/, checkpoints/ and samples/ are checked.

    Raises:
        UserError: names the first one.
    """
    for entry in _entries(folder):
        path = Path(entry.path)
        if entry.is_symlink():
            inside(path, folder)
        if not (entry.is_file() or entry.is_dir() or entry.is_symlink()):
            raise UserError(f"{path} is neither a file nor a folder. Remove it from the run's folder.")


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    for place in (folder, *(folder / name for name in FOLDERS)):
        if place.is_dir():
            with os.scandir(place) as entries:
                yield from sorted(entries, key=lambda entry: entry.name)
