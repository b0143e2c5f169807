"""The command line of `experiments.train`: Hydra's flags, and overrides in any order."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from experiments import cli
from experiments.runs.directory import CONFIG
from experiments.settings.suggest import did_you_mean, nearest
from lightning_gans.core.errors import UserError

# Hydra's flags: short forms and keyword arguments for argparse.
FLAGS: dict[tuple[str, ...], dict[str, Any]] = {
    ("--help", "-h"): {"action": "store_true"},
    ("--hydra-help",): {"action": "store_true"},
    ("--version",): {"action": "store_true"},
    ("--cfg", "-c"): {"choices": ["job", "hydra", "all"]},
    ("--resolve",): {"action": "store_true"},
    ("--package", "-p"): {},
    ("--run", "-r"): {"action": "store_true"},
    ("--multirun", "-m"): {"action": "store_true"},
    ("--shell-completion", "-sc"): {"action": "store_true"},
    ("--config-path", "-cp"): {},
    ("--config-name", "-cn"): {},
    ("--config-dir", "-cd"): {},
    ("--experimental-rerun",): {},
    ("--info", "-i"): {"const": "all", "nargs": "?"},
}
NAMES = tuple(name for names in FLAGS for name in names)


class _Parser(cli.Parser):
    """A parser that refuses an unknown flag and suggests the nearest one."""

    def error(self, message: str) -> NoReturn:
        unknown = next(iter(message.partition("unrecognized arguments: ")[2].split()), "")
        hint = did_you_mean(nearest(unknown, NAMES))
        if unknown.startswith("--") and not hint:
            hint = f" A setting is written {unknown.lstrip('-')}=VALUE."
        raise UserError(f"{message[:1].upper()}{message[1:]}.{hint} `--help` lists what there is.")


def parse(argv: Sequence[str]) -> Namespace:
    """Parse flags by name; `overrides` holds the settings as typed. Settings and flags may come in any order.

    --seed=3, the form used by the agents of other sweepers (W&B's `${args}`), is read as seed=3.

    Raises:
        UserError: an unknown flag, or one that has no effect here.
    """
    parser = _Parser(prog="experiments.train", add_help=False)
    for names, options in FLAGS.items():
        parser.add_argument(*names, **options)
    parser.add_argument("overrides", nargs="*")
    arguments = parser.parse_intermixed_args([*map(_setting, argv)])
    if arguments.experimental_rerun is not None:
        raise UserError(
            "--experimental-rerun reads pickled files, which is refused here: give the run's own settings again; its "
            f"{CONFIG} has them."
        )
    if arguments.config_path is not None:
        raise UserError("--config-path would leave out the shipped configs; --config-dir DIR adds a folder to them.")
    return arguments


def _setting(word: str) -> str:
    """Strip the dashes of --key=value, unless the key is a flag or the prefix of one; return other words unchanged."""
    key = word.partition("=")[0]
    is_setting = "=" in word and word.startswith("--") and not any(name.startswith(key) for name in NAMES)
    return word[2:] if is_setting else word


def check_name(name: str, folders: Sequence[Path]) -> None:
    """Refuse a main config (`--config-name`) that no folder of the tree contains.

    Raises:
        UserError: the main config does not exist; the message names the nearest ones.
    """
    there = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    if name.removesuffix(".yaml") in there or any((folder / f"{name}.yaml").is_file() for folder in folders):
        return
    hint = did_you_mean(f"--config-name {other}" for other in nearest(name, there))
    raise UserError(
        f"--config-name {name}: there is no such main config.{hint} There are {', '.join(there)}; --config-dir DIR "
        "adds those of a folder of your own. A variant is chosen by variant=NAME, an experiment by experiment=NAME."
    )


def tree(arguments: Namespace) -> list[str]:
    """Return the flags that select the config tree, for another command with the same tree."""
    flags = [("--config-dir", arguments.config_dir), ("--config-name", arguments.config_name)]
    return [word for flag, value in flags if value for word in (flag, value)]


def asks_hydra(argv: Sequence[str]) -> bool:
    """Return True if the command asks for one of Hydra's own pages and runs no job."""
    asked = parse(argv)
    pages = asked.info, asked.hydra_help, asked.version, asked.shell_completion, asked.cfg in ("hydra", "all")
    return any(pages)
