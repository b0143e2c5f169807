"""`python -m experiments.train --help`: choices and settings, from the config tree and the constructors."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from datamodules.catalogue import CATALOGUE
from experiments.settings.run import GROUPS, TOP
from experiments.settings.spec import Spec, plain
from experiments.settings.validate import allowed

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from experiments.configuration.composing import Composed, Composer

HEAD = """\
python -m experiments.train [variant=CHOICE] [data=CHOICE] [GROUP=CHOICE ...] [KEY=VALUE ...] [FLAGS]

Trains an adversarial model, evaluates it on the way, and leaves samples, checkpoints, metrics and the exported
generator in run_dir. The same command again continues the run. Without arguments: variant=acgan data=digits; without
variant=, it is acgan for images that are known to have labels and dcgan for other data.
"""

EXAMPLES = """\
Examples
  python -m experiments.train                                          a conditional GAN on handwritten digits
  python -m experiments.train variant=vanilla data=ring                eight Gaussians, in the plane
  python -m experiments.train objective=minimax data.batch_size=128    other than the recipe
  python -m experiments.train -m seed=1,2,3                            three runs, one after the other
  python -m experiments.train -m seed=1,2 hydra/launcher=local         side by side; =slurm: on a cluster
  python -m experiments.train trainer=ddp trainer.devices=2            two processes
  python -m experiments.train data=folder data.root=pictures            DCGAN on images of yours
  python -m experiments.train --config-dir my_configs variant=mine     a variant of your own

Flags
  -m, --multirun     a job for every combination of key=a,b,c  key=range(1,4)  key=glob(*)
  --config-dir DIR   config groups of your own: DIR/variant/mine.yaml ...
  --cfg job          print the composed configuration and leave (--resolve: with every value filled in)
  --info [WHAT]      what the configuration was composed of
  --help             this page; with variant= and data=, their settings

Exit codes
  0 done   2 refused: something does not fit   3 diverged   130 interrupted and saved
  HYDRA_FULL_ERROR=1 shows the traceback of an error.

Then: python -m experiments.sample run=DIR n=64 grid=FILE.png     python -m experiments.compare runs/
"""

NARROW, WIDE = 16, 36


def show(composer: "Composer", overrides: "Sequence[Override]") -> None:
    """Print the help page with the settings of the given choices.

    Raises:
        UserError: an override is invalid.
    """
    composed = composer.compose(overrides)
    print("\n".join(page(composer, composed)))


def page(composer: "Composer", composed: "Composed") -> Iterator[str]:
    """Yield the lines of the page."""
    width = max(72, min(shutil.get_terminal_size().columns, 120))
    yield HEAD
    yield "Choices (* chosen here)"
    for group in (*GROUPS, *(group for group in composer.groups() if group not in GROUPS)):
        chosen, options = composed.choices.get(group), composer.options(group)
        if options:
            yield from _entry(f"{group}=", (f"{name}*" if name == chosen else name for name in options), width)
    yield ""
    yield from _data(composer, width)
    yield "Settings of every run"
    for key, spec in TOP.items():
        value = plain(composed.config[key]) if key in composed.config else "null"
        yield from _setting(f"{key}={value}", spec, width)
    yield ""
    choices = " ".join(f"{group}={composed.choices[group]}" for group in ("variant", "data"))
    yield f"Settings of {choices}"
    yield from _settings(composed, width)
    yield ""
    yield EXAMPLES


def _data(composer: "Composer", width: int) -> Iterator[str]:
    yield "Data"
    for name in composer.options("data"):
        if name in CATALOGUE:
            fetched = " (downloaded)" if CATALOGUE[name].needs_download else ""
            yield from _entry(name, [CATALOGUE[name].description + fetched], width)
    yield ""


def _settings(composed: "Composed", width: int) -> Iterator[str]:
    from experiments.configuration.messages import leaves

    order = [*GROUPS, *(key for key in composed.config if key not in GROUPS)]
    for key, value in sorted(leaves(composed.config), key=lambda leaf: order.index(leaf[0].partition(".")[0])):
        if key not in TOP and "." in key:
            yield from _setting(f"{key}={plain(value)}", allowed(key, composed.config), width)


def _setting(key: str, spec: Spec | None, width: int) -> Iterator[str]:
    words = "; ".join(filter(None, (spec.help, spec.allowed()))) if spec else ""
    return _entry(key, words.split(), width, indent=WIDE)


def _entry(name: str, words: Iterable[str], width: int, *, indent: int = NARROW) -> Iterator[str]:
    text = " ".join(word for word in words if word)
    head = f"  {name}"
    if len(head) >= indent - 1 and text:
        yield head
        head = ""
    lines = textwrap.wrap(text, width - indent, break_on_hyphens=False) or [""]
    yield f"{head:<{indent}}{lines[0]}".rstrip()
    for line in lines[1:]:
        yield " " * indent + line
