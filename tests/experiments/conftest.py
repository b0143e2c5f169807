"""Runs in processes of their own, forked from one that has imported what is slow to import."""

import os
import sys
import time
import traceback
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments import cli
from tests.helpers.warm import fork_server


def _child(argv: list[str], folder: str, log: str, environ: dict[str, str]) -> None:
    os.environ |= environ
    os.chdir(folder)
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.path.insert(0, folder)  # as `python -m` has it
    sys.argv = ["train", *argv]
    from experiments.jobs import sweep
    from experiments.train import main

    sweep.subprocess = SimpleNamespace(Popen=Forked)  # type: ignore[assignment]
    sys.exit(cli.run(lambda: main(argv)))


class Forked:
    """A job of a sweep as a fork of this process, which has imported torch, in the place of a new process."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        from experiments.train import main

        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            sys.argv = ["train", *command[3:]]
            os.environ.clear()  # as a new process has it: these variables and no others
            os.environ.update(env)
            code = 1
            try:
                code = cli.run(lambda: main(command[3:]))
            except SystemExit as left:
                code = left.code if isinstance(left.code, int) else 1
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class Launcher:
    """Starts `python -m experiments.train` in a folder, without its seconds of imports.

    environ: variables that the commands find besides the tests' own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log.txt"
        self.environ: dict[str, str] = {}
        self._started: list[BaseProcess] = []
        self._context = fork_server()

    def start(self, *argv: str) -> BaseProcess:
        process = self._context.Process(target=_child, args=(list(argv), str(self.folder), str(self.log), self.environ))
        process.start()
        self._started.append(process)
        return process

    def join(self, seconds: float = 300) -> list[int | None]:
        """The exit codes of all that was started, once it has ended; None where it takes longer than that."""
        until = time.monotonic() + seconds
        for process in self._started:
            process.join(max(until - time.monotonic(), 0))
        return [process.exitcode for process in self._started]

    def end(self) -> None:
        """Kill what a failed test has left running: pytest would wait for it."""
        for process in self._started:
            if process.is_alive():
                process.kill()
                process.join()

    def run(self, *argv: str, code: int = 0, seconds: float = 120) -> str:
        """The output of the run, which has to end with `code` within so many seconds."""
        before = len(self.log.read_text()) if self.log.is_file() else 0
        process = self.start(*argv)
        process.join(seconds)
        assert process.exitcode == code, self.log.read_text()
        return self.log.read_text()[before:]


@pytest.fixture
def launcher(tmp_path):
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.end()
