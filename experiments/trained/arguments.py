"""key=value arguments of the commands that take a run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError
from lightning_gans.core.received import check_folder
from lightning_gans.zoo import is_of_zoo, located

DATA = "data."  # prefix of settings of a run's data


def pairs(
    arguments: Sequence[str], keys: Sequence[str], *, prefixes: tuple[str, ...] = (), needs: str | None = "run"
) -> dict[str, str]:
    """Parse key=value arguments into a dictionary.

    Args:
        keys: the known keys.
        prefixes: prefixes of keys that are checked later, such as "data.".
        needs: a required key, or None.

    Raises:
        UserError: an unknown or repeated key, a key without a value, no run.
    """
    given: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise UserError(_stray(argument, keys))
        if key not in keys and not key.startswith(prefixes):
            hint = did_you_mean(f"{name}={value}" for name in nearest(key, keys)) or f" There are {', '.join(keys)}."
            raise UserError(f"There is no key {key!r}.{hint} --help says what they are.")
        if key in given:
            raise UserError(f"{key} is given twice: {key}={given[key]} and {key}={value}. Keep one of them.")
        if not value:
            raise UserError(f"{key}= has no value. Say one, or leave {key} out; --help says what it is.")
        given[key] = value
    if needs is not None and needs not in given:
        raise UserError("Which run? Say run=DIR, a folder that python -m experiments.train made (they lie in runs/).")
    return given


def data_settings(given: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments that are settings of the run's data.

    Raises:
        UserError: data_dir does not exist.
    """
    if "data_dir" in given and not Path(given["data_dir"]).expanduser().is_dir():
        raise UserError(f"data_dir={given['data_dir']}: there is no such folder.")
    return {key: value for key, value in given.items() if key == "data_dir" or key.startswith(DATA)}


def _stray(argument: str, keys: Sequence[str]) -> str:
    if Path(argument).is_dir():
        return f"{argument!r} is no key=value argument. Did you mean run={argument}?"
    return f"{argument!r} is no key=value argument. There are {', '.join(keys)}; --help says what they are."


def whole(key: str, text: str, *, least: int) -> int:
    """Parse a whole number of at least `least`, or raise a UserError."""
    try:
        value = int(text.replace(",", "").replace("_", ""))
    except ValueError:
        value = least - 1
    if value < least:
        raise UserError(f"{key}={text}: must be a whole number of at least {least}.")
    return value


def allowed(given: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in allow=A,B."""
    return names(given, "allow")


def names(given: Mapping[str, str], key: str) -> tuple[str, ...]:
    """Return the names in KEY=A,B, with or without brackets and quotes; empty if the key is not given."""
    found = (name.strip(" []'\"") for name in given.get(key, "").split(","))
    return tuple(name for name in found if name)


def run_folder(given: Mapping[str, str], which: str) -> Path:
    """Return the folder given by run=DIR, after a check for an export and, if `which` is "best", the best checkpoint.

    run=zoo/NAME, a generator shipped with the package, is returned unchanged.

    Raises:
        UserError: a file is missing, or a symbolic link leads out of the folder.
    """
    text = given["run"]
    run = Path(text)
    if is_of_zoo(run):
        located(run)
        if which == "best":
            raise UserError(f"run={text} which=best: generators of the zoo have no checkpoints. Leave which out.")
        return run
    if not run.is_dir():
        siblings = [path.name for path in run.parent.iterdir() if path.is_dir()] if run.parent.is_dir() else []
        hint = did_you_mean(f"run={run.parent / name}" for name in nearest(run.name, siblings))
        raise UserError(f"run={text}: there is no such folder.{hint or ' Name a folder that a training run made.'}")
    if not any((folder / "model.yaml").is_file() for folder in (run, run / "generator")):
        raise UserError(
            f"run={text} holds no exported generator yet (generator/model.yaml). A run exports at its first "
            "checkpoint; a run with nothing to sample never does."
        )
    if which == "best" and not (run / "checkpoints" / "best.ckpt").is_file():
        raise UserError(
            f"run={text} has no checkpoints/best.ckpt: it is kept from the first evaluation on, in a run's own folder. "
            "Say which=last for the newest export."
        )
    check_folder(run)
    return run
