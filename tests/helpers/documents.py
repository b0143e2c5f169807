"""Files and commands on a page of the docs, as a reader would copy them."""

import os
import re
import runpy
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.warm import fork_server

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """files: content by name, of ```python and ```yaml blocks whose first line is a comment with the file's name (the
    second line where the first is Hydra's `# @package`, which has to stay first).

    commands: lines of ```sh blocks that start with `python -m`, split as a shell splits them, without `python -m`.
    """

    files: dict[str, str]
    commands: list[list[str]]

    def write(self, folder: Path) -> None:
        """Write the files below `folder`."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


def read_page(path: Path) -> Page:
    """The page at `path`."""
    files: dict[str, str] = {}
    commands: list[list[str]] = []
    for language, content in _BLOCK.findall(path.read_text()):
        if language in ("python", "yaml"):
            name = re.match(r"(?:# @package \S+\n)?# (\S+\.(?:py|yaml))\n", content)
            if name:
                assert name[1] not in files, f"{path.name} has two files {name[1]}"
                files[name[1]] = content
        if language == "sh":
            for line in content.replace("\\\n", " ").splitlines():
                if line.startswith("python -m "):
                    commands.append(shlex.split(line, comments=True)[2:])
    return Page(files, commands)


def run_command(command: list[str], folder: Path, *, seconds: float = 300.0) -> str:
    """Run `python -m COMMAND` in `folder`; its output. A failure fails the test with the output.

    The process is forked from one that has imported torch, which takes seconds.
    """
    context = fork_server()
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log.txt"
        process = context.Process(target=_child, args=(command, str(folder), str(log)))
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
        output = log.read_text() if log.is_file() else ""
    assert process.exitcode == 0, f"python -m {shlex.join(command)}\n{output}"
    return output


def _child(command: list[str], folder: str, log: str) -> None:
    # W&B leaves the address of a test's own service behind, which has ended by now.
    os.environ.pop("WANDB_SERVICE", None)
    os.environ["COLUMNS"] = "200"
    os.chdir(folder)
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.path.insert(0, folder)  # as `python -m` has it
    sys.argv = list(command)
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
