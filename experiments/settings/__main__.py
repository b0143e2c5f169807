"""Print the page of all settings (docs/SETTINGS.md): values, defaults and help, read from the constructors.

usage: python -m experiments.settings [FILE.md ...]

With files of pages as arguments, their tables of a variant's settings are made anew in place (`tables.py`).
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

import experiments
from experiments.settings.run import PLACES, TOP
from experiments.settings.signatures import REQUIRED, UNKNOWN, signature
from experiments.settings.spec import Spec, plain
from experiments.settings.tables import refresh

CONF = Path(experiments.__file__).parent / "conf"
HEAD = """\
# Settings

The settings of every run, and those of each class of this project that a shipped configuration names. This page is
made from the constructors' signatures and docstrings by `make settings`.
`python -m experiments.train --help variant=acgan data=digits` shows the place and the value of each setting in a run.
"""
BAR = r"\|"  # within a cell
TITLES = {
    "lightning_gans.variants": "Variants",
    "datamodules": "Data",
    "lightning_gans.networks": "Networks, augmentation and initialisation",
    "lightning_gans.models": "Models and likelihoods",
    "lightning_gans.losses": "Objectives, penalties and constraints",
    "lightning_gans.core": "Latent distributions, training and schedules",
    "lightning_gans.extractors": "Metrics",
    "lightning_gans.loggers": "Loggers",
}


def page() -> Iterator[str]:
    """Yield the lines of the page."""
    yield HEAD
    yield "## Every run\n"
    yield from _table((name, spec, REQUIRED) for name, spec in TOP.items())
    for place, expected in PLACES.items():
        yield f"### `{place}`\n"
        taken = expected.signature.settings if expected.signature else {}
        yield from _table(
            (name, spec, taken[name].default if name in taken else REQUIRED) for name, spec in expected.settings.items()
        )
    for package, title in TITLES.items():
        yield f"## {title}\n"
        for target in sorted(shipped()):
            found = signature(target) if target.startswith(f"{package}.") else None
            if found is not None and found.settings:
                yield f"### `{target}`\n"
                yield from _table((one.name, one.spec, one.default) for one in found.settings.values())


def shipped() -> set[str]:
    """Return the classes that the shipped files name."""
    return {target for file in CONF.rglob("*.yaml") for target in _targets(yaml.safe_load(file.read_text()))}


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for value in node.values():
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)


def _table(rows: Iterator[tuple[str, Spec, Any]]) -> Iterator[str]:
    yield "| setting | values | default | meaning |"
    yield "|---|---|---|---|"
    for name, spec, default in rows:
        shown = "" if default is REQUIRED or default is UNKNOWN else f"`{plain(default)}`"
        cells = (f"`{name}`", spec.allowed(), shown, spec.help)
        yield f"| {' | '.join(cell.replace('|', BAR).replace('<', '&lt;') for cell in cells)} |"
    yield ""


if __name__ == "__main__":
    if {"-h", "--help"} & {*sys.argv[1:]}:
        print((__doc__ or "").strip())
    elif pages := sys.argv[1:]:
        refresh(pages)
    else:
        print("\n".join(page()).rstrip())
