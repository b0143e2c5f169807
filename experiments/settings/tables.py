"""Tables of a variant's settings on the pages `docs/variants/*.md`, from the constructors that its runs call.

A table lies between `<!-- settings: NAME -->` and `<!-- end -->`, where NAME is a choice of `variant=`.
`python -m experiments.settings docs/variants/*.md` regenerates the tables of these pages. Imports no torch.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from experiments.configuration.composing import Composed, shared
from experiments.settings.signatures import REQUIRED, UNKNOWN, Argument, signature
from experiments.settings.spec import plain

TABLE = re.compile(r"(<!-- settings: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
FOLLOWS = re.compile(r"\$\{([\w.]+)\}")  # an argument whose value is another group of the configuration
SHOWN = ("lr", "betas", "momentum", "weight_decay", "iterations", "hold", "start_factor", "end_factor")
BAR = r"\|"  # within a cell

Row = tuple[str, str, str, str]  # name, default, values and meaning of a setting


def refreshed(text: str) -> str:
    """Return the text of a page with regenerated tables of settings."""
    return TABLE.sub(lambda found: found[1] + "\n".join(table(found[2])) + "\n" + found[3], text)


def refresh(pages: Sequence[str]) -> None:
    """Regenerate the tables of settings on these pages."""
    for page in map(Path, pages):
        text = page.read_text()
        if (made := refreshed(text)) != text:
            page.write_text(made)


@cache
def table(variant: str) -> tuple[str, ...]:
    """Return the lines of the table of `variant=<variant>`, without a recipe."""
    lines = ["| setting | default | values | meaning |", "|---|---|---|---|"]
    return (*lines, *(f"| {' | '.join(row)} |" for row in _rows(variant)))


def _rows(variant: str) -> Iterator[Row]:
    composer = shared()
    composed = composer.compose(composer.parse([f"variant={variant}", "recipe=none"]))
    written: Any = OmegaConf.to_container(composed.config, resolve=False)
    values: Any = composer.resolve(composed)
    taken = signature(written["variant"]["_target_"])
    assert taken is not None, f"the constructor of variant={variant} cannot be read"
    for name, argument in taken.settings.items():
        given, value = written["variant"].get(name), values["variant"].get(name, argument.default)
        if name == "training":
            yield from _training(value)
        elif found := FOLLOWS.fullmatch(given if isinstance(given, str) else ""):
            yield from _followed(found[1], value, argument, composed)
        elif name in composer.groups():
            yield from _followed(name, value, argument, composed)
        elif isinstance(value, Mapping) and "players" not in value and "optimizer" in value:
            yield from _player(f"variant.{name}", value)
        else:
            yield _row(f"variant.{name}", argument, value)
            yield from _parts(f"variant.{name}", given, value)
    yield from _of_model(written, values, composed)


def _of_model(written: Mapping[str, Any], values: Mapping[str, Any], composed: Composed) -> Iterator[Row]:
    """Yield rows for the groups that the network's model refers to, such as likelihood= of a variational model."""
    model, given = (config["network"].get("model") for config in (values, written))
    taken = signature(str(model["_target_"])) if isinstance(model, Mapping) else None
    for name, argument in (taken.settings if taken else {}).items():
        found = FOLLOWS.fullmatch(text if isinstance(text := given.get(name), str) else "")
        if found and found[1] in shared().groups():
            yield from _followed(found[1], model[name], argument, composed)


def _followed(group: str, value: Any, argument: Argument, composed: Composed) -> Iterator[Row]:
    """Yield the row of an argument that a group provides: objective=hinge, or a part of network=dcgan, not expanded."""
    top, _, part = group.partition(".")
    names = [re.sub(r"^f_\w+$", "f_...", name) for name in shared().options(top) if "/" not in name]
    options = ", ".join(dict.fromkeys(names))  # ten f-divergences are one entry
    if part:
        shown = _class(value) if isinstance(value, Mapping) else plain(value)
        yield _cells(group, f"`{shown}`", f"`{top}=` chooses it", argument.spec.help)
        return
    yield _cells(top, f"`{composed.choices.get(top, 'none')}`", options, argument.spec.help)
    yield from _parts(top, value, value)


def _parts(place: str, written: Any, value: Any) -> Iterator[Row]:
    """Yield rows for the settings of an object that the variant's own files describe."""
    if not (isinstance(value, Mapping) and isinstance(written, Mapping) and "_target_" in value):
        return
    taken = signature(str(value["_target_"]))
    for name, argument in (taken.settings if taken and _is_ours(value) else {}).items():
        text = written.get(name)
        if not (isinstance(text, str) and FOLLOWS.fullmatch(text)):
            yield _row(f"{place}.{name}", argument, value.get(name, argument.default))
            yield from _parts(f"{place}.{name}", text, value.get(name))


def _training(training: Mapping[str, Any]) -> Iterator[Row]:
    """Yield rows for the usual settings of `Training`; docs/SETTINGS.md lists all of them."""
    for player, settings in training["players"].items():
        yield from _player(f"variant.training.players.{player}", settings)
    taken = signature(str(training["_target_"]))
    assert taken is not None
    yield _row("variant.training.ema_half_life", taken.settings["ema_half_life"], training["ema_half_life"])


def _player(place: str, settings: Mapping[str, Any]) -> Iterator[Row]:
    letter = place.rpartition(".")[2]
    optimizer, schedule, clip = (settings.get(name) for name in ("optimizer", "schedule", "clip_norm"))
    options = ", ".join(shared().options("optimizer"))
    whose = f"player {letter}" if "players." in place else f"`{letter}`"
    yield _cells(f"{place}.optimizer", _described(optimizer), options, f"optimizer of {whose}")
    if schedule is not None:
        yield _cells(f"{place}.schedule", _described(schedule), "a class", f"schedule of the learning rate of {whose}")
    if clip is not None:
        text = f"largest norm of the gradient of {whose}"
        yield _cells(f"{place}.clip_norm", f"`{plain(clip)}`", "a number above 0, or null", text)


def _described(node: Any) -> str:
    """Describe a class with the settings usual in papers: `Adam` lr 0.0002, betas [0.5, 0.9]."""
    if not isinstance(node, Mapping):
        return f"`{plain(node)}`"
    settings = [f"{name} {plain(node[name])}" for name in SHOWN if node.get(name) and name != "iterations"]
    return " ".join([f"`{_class(node)}`", ", ".join(settings)]).strip()


def _class(node: Mapping[str, Any]) -> str:
    return str(node.get("_target_", "")).rpartition(".")[2]


def _is_ours(node: Mapping[str, Any]) -> bool:
    return str(node["_target_"]).startswith("lightning_gans.")


def _row(name: str, argument: Argument, value: Any) -> Row:
    if value is REQUIRED or value is UNKNOWN:
        default = ""
    else:
        default = f"`{_class(value) if isinstance(value, Mapping) else plain(value)}`"
    return _cells(name, default, argument.spec.allowed(), argument.spec.help)


def _cells(name: str, default: str, values: str, meaning: str) -> Row:
    cells = (f"`{name}`", default, values, meaning)
    a, b, c, d = (" ".join(cell.split()).replace("|", BAR).replace("<", "&lt;") for cell in cells)
    return a, b, c, d
