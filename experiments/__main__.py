"""List the commands, or run one.

`lightning-gans train variant=bigan` and `python -m experiments train variant=bigan` are the command
`python -m experiments.train variant=bigan`.
"""

import ast
import os
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments import cli
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

HERE = Path(__file__).parent
COMMANDS = ("train", "sample", "evaluate", "compare", "augment", "sweep", "studies", "settings", "doctor")
SCRIPT = "lightning-gans"  # the console script of setup.cfg


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command named by the first argument with the remaining arguments; return its exit code."""
    given = [*(sys.argv[1:] if argv is None else argv)]
    return cli.run(lambda: _main(given))


def _main(argv: Sequence[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        print("\n".join(page()))
        return cli.DONE
    if argv[0] in ("-V", "--version"):
        from experiments.distribution import NAME, version

        print(f"{NAME} {version()}")
        return cli.DONE
    _check(argv[0])
    return _run(argv[0], argv[1:])


def page() -> Iterator[str]:
    """Yield the lines of the list of commands, each with the first line of its module's docstring."""
    yield f"usage: {_program()} COMMAND [ARGUMENTS]"
    yield ""
    yield from (f"  {name:<{max(map(len, COMMANDS))}}  {summary(name)}" for name in COMMANDS)
    yield ""
    yield f"  {_program()} COMMAND --help explains a command; python -m experiments.COMMAND is the same command."
    yield f"  {_program()} --version prints the version."


def summary(name: str) -> str:
    """Return the first line of a command's docstring from its source, because an import takes seconds."""
    file = HERE / f"{name}.py"
    source = (file if file.is_file() else HERE / name / "__main__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def _check(name: str) -> None:
    """Refuse a name that is not a command.

    Raises:
        UserError: the command does not exist; the message lists the nearest ones.
    """
    if name in COMMANDS:
        return
    if "=" in name and not name.startswith("-"):
        raise UserError(f"{name} is a setting, and a command comes first. Say: {_program()} train {name}")
    hint = did_you_mean(f"{_program()} {other}" for other in nearest(name, COMMANDS))
    raise UserError(f"There is no command {name!r}.{hint} The commands are {', '.join(COMMANDS)}.")


def _run(name: str, argv: Sequence[str]) -> int:
    """Run a command as `python -m experiments.NAME` does."""
    here = os.getcwd()
    if here not in sys.path and not sys.flags.safe_path:
        sys.path.append(here)  # finds the user's own modules, as python -m does, after all installed packages
    sys.argv[1:] = argv
    try:
        runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else bool(ended.code)
    return cli.DONE


def _program() -> str:
    return SCRIPT if Path(sys.argv[0]).name == SCRIPT else "python -m experiments"


if __name__ == "__main__":
    sys.exit(main())
