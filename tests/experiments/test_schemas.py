"""Schemas say what constructors take, and every shipped file composes into what they allow."""

import importlib
import inspect
import re
import types
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path as FilePath
from typing import Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml

import experiments
from datamodules.catalogue import CATALOGUE
from experiments.configuration.composing import Composer
from experiments.jobs.preflight import preflight
from experiments.settings import fitting, offered, validate
from experiments.settings.registry import PLACES, SCHEMAS, TOP
from experiments.settings.schema import Schema
from experiments.settings.spec import (
    Bool,
    Choice,
    Float,
    Int,
    ListOf,
    Node,
    OneOf,
    Optional,
    Path,
    Table,
    Text,
    plain,
)
from lightning_gans.core.errors import UserError

CONF = FilePath(experiments.__file__).parent / "conf"
OURS = ("lightning_gans.", "datamodules.")
# Filled in by the program rather than by a file of settings.
FILES = sorted(CONF.rglob("*.yaml"))


def targets(node):
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)


SHIPPED = sorted({target for file in FILES for target in targets(yaml.safe_load(file.read_text()))})


def located(target):
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


def parameters(target):
    """A constructor's own, and its base's where it hands the rest of its settings on."""
    return parameters_of(located(target))


def parameters_of(found):
    parameters = dict(inspect.signature(found).parameters)
    if inspect.isclass(found) and any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        base = next(base for base in found.__mro__[1:] if "__init__" in vars(base))
        own = {name: p for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}
        parameters = parameters_of(base) | own
    return parameters


def test_every_class_that_a_shipped_file_names_has_a_schema():
    assert SHIPPED
    assert [target for target in SHIPPED if target not in SCHEMAS] == []


@pytest.mark.parametrize("target", [target for target in SCHEMAS if target.startswith(OURS)])
def test_a_schema_has_the_constructors_arguments(target):
    schema, found = SCHEMAS[target], parameters(target)
    assert set(schema.settings) | set(schema.given) == set(found)
    hints = hints_of(located(target))
    assert {name: spec for name, spec in schema.settings.items() if not compatible(spec, hints[name])} == {}


@pytest.mark.parametrize("target", [target for target in SCHEMAS if not target.startswith(OURS)])
def test_schemas_of_other_libraries_name_arguments_that_there_are(target):
    schema, found = SCHEMAS[target], parameters(target)
    assert set(schema.settings) | set(schema.given) <= set(found)
    required = {name for name, parameter in found.items() if parameter.default is inspect.Parameter.empty}
    assert required <= set(schema.settings) | set(schema.given)


@pytest.mark.parametrize("place", [place for place in PLACES if PLACES[place].target])
def test_settings_at_a_place_are_its_classes_arguments(place):
    expected = PLACES[place]
    found = {name: parameter for name, parameter in parameters(expected.target).items() if name != "self"}
    own = {name: spec for name, spec in expected.schema.settings.items() if name not in expected.extra}
    assert set(own) | set(expected.schema.given) == set(found)
    hints = hints_of(located(expected.target))
    assert {name: spec for name, spec in own.items() if not compatible(spec, hints[name])} == {}


def hints_of(found):
    if not inspect.isclass(found):
        return get_type_hints(found)
    hints = {}
    for base in reversed(found.__mro__):
        hints |= get_type_hints(vars(base)["__init__"]) if "__init__" in vars(base) and base is not object else {}
    return hints


def compatible(spec, hint):
    """Whether all that a spec lets through is what an annotation says, None and literal values included."""
    members = set(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else {hint}
    optional = type(None) in members
    if isinstance(spec, Optional) != optional:
        return False
    spec = spec.spec if isinstance(spec, Optional) else spec
    members -= {type(None)}
    literals = {value for member in members if get_origin(member) is Literal for value in get_args(member)}
    names = {get_origin(member) or member for member in members}
    if isinstance(spec, Choice):
        free = [value for value in spec.values if type(value) not in names]
        return set(free) == literals if literals else not free
    kinds = {Int: {int}, Float: {float}, Bool: {bool}, Text: {str}, Path: {str}, Table: {dict, Mapping}}
    if type(spec) in kinds:
        return bool(names & kinds[type(spec)])
    if isinstance(spec, ListOf):
        return bool(names & {Sequence, list, tuple})
    return isinstance(spec, Node) and not names & {int, float, bool, str}


def test_the_comparison_can_fail():
    assert compatible(Int(), int)
    assert not compatible(Int(), str)
    assert not compatible(Int(), int | None)
    assert compatible(Optional(Int()), int | None)
    assert compatible(Choice(("a", "b")), Literal["a", "b"])
    assert not compatible(Choice(("a",)), Literal["a", "b"])
    assert compatible(Choice(("auto", True, False)), Literal["auto"] | bool)
    assert not compatible(Node(), int)


# Every shipped file


def pairs():
    """(variant, data, further choices), so that every variant, every data set and every other file is met."""
    composer = Composer()
    others = {group: [name for name in composer.options(group) if name != "none"] for group in ("trainer", "logger")}
    others = {group: cycle(names) for group, names in others.items()}
    for variant in composer.options("variant"):
        for data in CATALOGUE:
            # The layers of dcgan do not depend on which images they are.
            few = of_images_alone(variant) and data not in ("digits", "cifar10", "folder")
            if fitting.plays(variant, offered.data_class(data)) and not few:
                choices = [f"{group}={next(names)}" for group, names in others.items()]
                told = variant in ("cgan", "acgan", "projection") and data == "folder"
                yield variant, data, choices + ["network.model.classes=3"] * told


def of_images_alone(variant):
    ring, digits = offered.data_class("ring"), offered.data_class("digits")
    return fitting.plays(variant, digits) and not fitting.plays(variant, ring)


def test_choices_are_registered():
    assert set(Composer().options("data")) == set(CATALOGUE)


PLANAR_NETWORKS = "planar", "ref_pair", "moved_points", "pacgan_planar"
D_OPTIMIZER = "optimizer@variant.training.players.D.optimizer"


@pytest.mark.parametrize("variant, data, others", list(pairs()))
def test_every_file_composes_and_is_valid(variant, data, others, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight([f"variant={variant}", f"data={data}", *others])
    assert job.choices["data"] == data
    assert job.name.startswith(f"{variant}-{data}")


def of_images(network):
    """Whether it is not made for a game on other data."""
    variant = network.partition("_")[0]
    return network not in PLANAR_NETWORKS and fitting.plays(variant, offered.data_class("digits"))


@pytest.mark.parametrize(
    "choice",
    [
        *(f"network={name}" for name in Composer().options("network") if of_images(name)),
        *(f"{D_OPTIMIZER}={name}" for name in Composer().options("optimizer")),
        *(f"augment={name}" for name in Composer().options("augment")),
        *(f"init={name}" for name in Composer().options("init")),
        *"metrics=inception metrics=own metrics=none logger=none callbacks=default".split(),
    ],
)
def test_other_choices_compose_for_images(choice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group, _, name = choice.partition("=")
    own = name.partition("_")[0]  # a network's name begins with that of the game it is made for, if of one alone
    variant = own if group == "network" and own in Composer().options("variant") else "vanilla"
    data = ["data=digits"] if fitting.plays(variant, offered.data_class("digits")) else []
    (job,) = preflight([f"variant={variant}", *data, choice])
    assert job.choices[group] == name


@pytest.mark.parametrize("name", Composer().options("matching"))
def test_every_matching_composes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=mcgan", "data=ring", f"matching={name}"])
    assert job.name == ("mcgan-ring-0" if name == "mean" else f"mcgan-ring-{name}-0")


@pytest.mark.parametrize("name", Composer().options("likelihood"))
def test_every_likelihood_composes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=vae", f"likelihood={name}", "network=vae_mlp"])
    assert job.config["variant"]["model"]["likelihood"]["_target_"].lower().endswith(f".{name}")


@pytest.mark.parametrize("experiment", Composer().options("experiment"))
def test_every_experiment_composes_and_is_valid(experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = preflight([f"experiment={experiment}"])
    assert len({job.name for job in jobs}) == len(jobs)
    assert all(job.study is not None for job in jobs) == experiment.startswith("study/")
    for job in jobs:
        assert "study" not in job.config
        if job.study is not None:
            assert callable(importlib.import_module(job.study).report)


def test_every_file_is_met_above():
    composer = Composer()
    met = {f"{g}/{name}" for g in ("variant", "metrics", "augment", "init") for name in composer.options(g)}
    met |= {f"data/{name}" for name in CATALOGUE}
    met |= {f"{g}/{name}" for g in ("objective", "penalty", "trainer", "logger") for name in composer.options(g)}
    met |= {f"{g}/{name}" for g in ("network", "optimizer", "matching", "likelihood") for name in composer.options(g)}
    met |= {f"experiment/{name}" for name in composer.options("experiment")}
    met |= {"callbacks/default", "train"}
    recipes = {file for file in FILES if file.parts[len(CONF.parts)] == "recipe"}
    there = {str(file.relative_to(CONF).with_suffix("")) for file in FILES if file not in recipes}
    assert there <= met
    for file in recipes:  # a recipe is of a pair that there is, or what such recipes share
        relative = file.relative_to(CONF / "recipe").with_suffix("")
        if len(relative.parts) == 2:
            assert relative.parts[0] in composer.options("variant")
            assert relative.parts[1] in CATALOGUE


def test_settings_without_a_class_are_those_of_their_files():
    trainer = yaml.safe_load((CONF / "trainer" / "auto.yaml").read_text())
    assert set(trainer) == set(PLACES["trainer"].schema.settings)
    main = yaml.safe_load((CONF / "train.yaml").read_text())
    assert set(main) - {"defaults", "hydra", "choose"} == set(TOP)


def test_every_setting_of_every_run_is_explained():
    assert [key for key, spec in TOP.items() if not spec.help] == []


# The vocabulary


@pytest.mark.parametrize(
    "spec, good, bad",
    [
        (Int(min=1), [1, 99], [0, 1.0, True, "1", None]),
        (Float(above=0, below=1), [0.5], [0, 1, float("nan"), float("inf"), True, "0.5"]),
        (Float(), [1, -2.5], [None, float("inf")]),
        (Bool(), [True, False], [0, "true", None]),
        (Choice((1, 3, "auto")), [1, "auto"], [True, 2, "Auto"]),
        (Text(), ["x"], ["", " ", 3]),
        (Path(), ["x", 2024], ["", None, True]),
        (Optional(Int(min=1)), [None, 2], [0, "x"]),
        (OneOf((Int(min=1), Choice(("auto",)))), [1, "auto"], [0, "x"]),
        (ListOf(Int(min=1), length=2), [[1, 2], (3, 4)], [[1], [1, 0], "12", 1]),
        (Node(), [{"_target_": "x"}], [{}, None, "x"]),
        (Table(Node()), [{}, {"D": {"_target_": "x"}}], [{"D": 1}, None, []]),
    ],
)
def test_specs(spec, good, bad):
    assert [value for value in good if spec.problem(value)] == []
    assert [value for value in bad if not spec.problem(value)] == []
    assert re.match(r"[a-z0-9]", spec.allowed())


def test_values_are_shown_as_they_are_typed():
    assert [plain(value) for value in (None, True, 0.5, "a", "", [1, None])] == [
        "null",
        "true",
        "0.5",
        "a",
        "''",
        "[1, null]",
    ]


def test_several_problems_are_told_at_once_and_each_where_it_was_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        preflight(["iterations=0", "seed=-1", "data.batch_size=0"])
    message = str(caught.value)
    assert message.count("is out of range") == 3
    assert "variant.training" not in message  # it only follows


def test_a_given_argument_cannot_be_set(monkeypatch):
    monkeypatch.setitem(SCHEMAS, "lightning_gans.x.Y", Schema({"a": Int()}, given=("data",)))
    (found,) = validate._nested({"_target_": "lightning_gans.x.Y", "a": 1, "data": 2}, "metrics")
    assert "metrics.data cannot be set" in found.text
