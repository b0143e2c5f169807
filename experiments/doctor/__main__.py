"""Check this machine: versions, devices, precision, folders, data, optional packages, W&B and SLURM.

Problems, with which a run would fail, and hints are followed by their remedies.

usage: python -m experiments.doctor [data_dir=DIR] [train=no] [network=yes]

  data_dir  folder of data sets (data)
  train     no: leave out the training run of three iterations, which takes some seconds
  network   yes: ask the server of Weights & Biases for an answer, for at most three seconds

Exit codes
  0 a run would work, with or without hints   1 a run would fail   2 refused: an argument does not fit
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from experiments import cli
from experiments.doctor import installation
from experiments.doctor.finding import Finding
from experiments.trained.arguments import pairs
from lightning_gans.core.errors import UserError

FAILS = 1  # exit code if a run would fail
SIGNS = {"ok": ("ok", "green"), "hint": ("hint", "yellow"), "problem": ("problem", "bold red")}


def main(argv: Sequence[str], console: Console | None = None) -> int:
    """Print the table; return 0 if a run would work, 1 if it would fail.

    Raises:
        UserError: an argument is invalid.
    """
    if any(word in ("-h", "--help") for word in argv):
        print((__doc__ or "").strip())
        return cli.DONE
    given = pairs(argv, ("data_dir", "train", "network"), needs=None)
    train, network = (_yes(key, given.get(key, default)) for key, default in (("train", "yes"), ("network", "no")))
    console = console or Console()
    console.print("Checking; the training run takes some seconds." if train else "Checking.")
    found = [*examine(Path(given.get("data_dir", "data")), train=train, network=network)]
    console.print(_table(found, plain=not console.encoding.startswith("utf")))
    problems = [one.topic for one in found if one.level == "problem"]
    console.print(f"A run would fail: {', '.join(problems)}." if problems else "A run would work.", markup=False)
    return FAILS if problems else cli.DONE


def examine(data_dir: Path, *, train: bool, network: bool) -> Iterator[Finding]:
    """Yield the findings of all checks; if the installation is broken, only of those that need no other package."""
    yield installation.python()
    yield (packages := installation.packages())
    broken = installation.torch()
    if broken:
        yield broken
        return
    from experiments.doctor import hardware, surroundings

    fits = packages.level != "problem"
    yield hardware.processor()
    yield from hardware.gpus()
    yield hardware.precision()
    yield from surroundings.folders(data_dir)
    if fits:
        yield surroundings.data(data_dir)
    yield installation.extras()
    yield surroundings.wandb(network=network)
    yield surroundings.slurm()
    if train and fits:
        yield surroundings.training()


def _yes(key: str, text: str) -> bool:
    if text not in ("yes", "no"):
        raise UserError(f"{key}={text}: must be yes or no.")
    return text == "yes"


def _table(found: Sequence[Finding], *, plain: bool) -> Table:
    table = Table(box=box.ASCII if plain else box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("")
    table.add_column("check", no_wrap=True)
    table.add_column("found", overflow="fold")
    for one in found:
        sign, style = SIGNS[one.level]
        # Cells are Text, so that names from files are not parsed as markup.
        text = Text(one.text)
        if one.remedy:
            text.append(f"\n{one.remedy}", "dim" if one.level == "ok" else style)
        table.add_row(Text(sign, style), Text(one.topic), text)
    return table


if __name__ == "__main__":
    sys.exit(cli.run(lambda: main(sys.argv[1:])))
