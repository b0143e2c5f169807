"""A setting lives once, in the constructor: no shipped file repeats a default without a reason."""

import pytest
import yaml

from experiments.settings.run import PLACES
from experiments.settings.signatures import signature
from tests.helpers.composed import CONF

FILES = sorted(CONF.rglob("*.yaml"))
# The two domains are what a user names; the file shows their places.
SHOWN = {"data/unpaired.yaml: data.a", "data/unpaired.yaml: data.b"}


def nodes(node, place=""):
    """(place, class, values) of every mapping that makes an object."""
    if isinstance(node, list):
        node = dict(enumerate(node))
    if not isinstance(node, dict):
        return
    known = PLACES.get(place)
    if target := node.get("_target_") or (known and known.target):
        yield place, target, {key: value for key, value in node.items() if key != "_target_"}
    for key, value in node.items():
        yield from nodes(value, f"{place}.{key}" if place else str(key))


def read(file):
    group = file.relative_to(CONF).parts[0]
    return [*nodes(yaml.safe_load(file.read_text()), group if group == "callbacks" else "")]


def siblings(file):
    """Settings of the other choices of a file's group, by place and class."""
    found = {}
    for other in file.parent.glob("*.yaml"):
        for place, target, values in read(other) if other != file else ():
            found.setdefault((place, target), []).append(values)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(CONF)))
def test_a_file_repeats_a_default_only_to_tell_itself_from_another_choice(file):
    others, restated = siblings(file), []
    for place, target, values in read(file):
        there = signature(target)
        for name, value in values.items() if there else ():
            argument = there.settings.get(name)
            if argument is None or isinstance(value, dict) or not same(value, argument.default):
                continue
            if all(same(value, other.get(name, value)) for other in others.get((place, target), ())):
                restated.append(f"{file.relative_to(CONF)}: {place}.{name}")
    assert set(restated) - SHOWN == set()


def same(value, default):
    if isinstance(value, list):
        return isinstance(default, list | tuple) and [*value] == [*default]
    return value == default and isinstance(value, bool) == isinstance(default, bool)
