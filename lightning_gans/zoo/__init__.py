"""Small trained generators that come with the package: `load_generator("zoo/digits")`. Imports no torch."""

from difflib import get_close_matches
from pathlib import Path

from lightning_gans.core.errors import UserError

NAME = "zoo"  # first folder of a path
HERE = Path(__file__).parent


def names() -> list[str]:
    """Return the shipped generators as paths: zoo/digits ..."""
    return sorted(f"{NAME}/{file.parent.name}" for file in HERE.glob("*/model.yaml"))


def is_of_zoo(path: Path) -> bool:
    """Return True if a path names a shipped generator (zoo/NAME) and is no path of the working directory."""
    return len(path.parts) == 2 and path.parts[0] == NAME and not path.exists()


def located(path: Path) -> Path:
    """Return the folder of zoo/NAME; any other path is unchanged.

    Raises:
        UserError: no generator has that name; the message lists them.
    """
    if not is_of_zoo(path):
        return path
    known = names()
    if path.as_posix() not in known:
        near = get_close_matches(path.as_posix(), known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UserError(f"{path.as_posix()}: the zoo holds no such generator.{hint} There are {', '.join(known)}.")
    return HERE / path.name
