"""Settings are the constructors' arguments, and every shipped file composes into what they allow."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path as FilePath
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import pytest
import yaml
from annotated_types import Ge, Gt, Le, Lt

import experiments
from datamodules.catalogue import CATALOGUE
from experiments.configuration.composing import shared
from experiments.jobs.preflight import plan, preflight
from experiments.settings import fitting, offered, validate
from experiments.settings.__main__ import page
from experiments.settings.run import PLACES, TOP
from experiments.settings.signatures import REQUIRED, UNKNOWN, lineage, signature
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
    Spec,
    Table,
    Text,
    plain,
)
from lightning_gans.core.errors import UserError
from lightning_gans.settings import Exists, FilledIn

CONF = FilePath(experiments.__file__).parent / "conf"
OURS = ("lightning_gans.", "datamodules.")
FILES = sorted(CONF.rglob("*.yaml"))


def targets(node):
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)


SHIPPED = sorted({target for file in FILES for target in targets(yaml.safe_load(file.read_text()))})
SHIPPED += [place.target for place in PLACES.values() if place.target]


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
        passed = passed_on(found) - set(own)  # a constructor gives these itself
        parameters = {name: p for name, p in parameters_of(base).items() if name not in passed} | own
    return parameters


def passed_on(found):
    """The keywords of `super().__init__(...)` in a class's constructor."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(found.__init__)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {word.arg for call in calls if ast.unparse(call.func) == "super().__init__" for word in call.keywords}


def test_the_signature_of_every_class_that_a_shipped_file_names_is_read():
    assert len(SHIPPED) > 100
    assert [target for target in SHIPPED if signature(target) is None or signature(target).open] == []


@pytest.mark.parametrize("target", SHIPPED)
def test_a_signature_has_the_arguments_and_defaults_that_python_sees(target):
    read, found = signature(target), parameters(target)
    assert set(read.arguments) == set(found)
    known = {name: one.default for name, one in read.arguments.items() if one.default is not UNKNOWN}
    empty = inspect.Parameter.empty
    assert known == {name: REQUIRED if found[name].default is empty else found[name].default for name in known}


@pytest.mark.parametrize("target", [target for target in SHIPPED if target.startswith(OURS)])
def test_a_specification_is_its_annotation(target):
    hints = hints_of(located(target))
    settings = signature(target).settings
    assert {name: one.spec for name, one in settings.items() if not compatible(one.spec, hints[name])} == {}
    assert {name for name in signature(target).arguments if name not in settings} == {
        name for name in signature(target).arguments if is_filled_in(hints[name])
    }


def test_the_page_of_settings_is_what_is_made_of_the_constructors():
    written = (FilePath(experiments.__file__).parents[1] / "docs" / "SETTINGS.md").read_text()
    made = "\n".join(page()).rstrip() + "\n"
    assert written == made, "a constructor's arguments have changed: run `make settings`"


# Numbers that may be anything.
UNBOUNDED = {
    **{f"datamodules.{name}": {"black", "white"} for name in ("Domains", "Folder", "Unpaired")},  # pixels of any type
    "lightning_gans.losses.adversarial.LeastSquares": {"a", "b", "c"},
    "lightning_gans.models.energy.EnergyModel": {"low", "high"},
}


@pytest.mark.parametrize("target", [target for target in SHIPPED if target.startswith(OURS)])
def test_every_number_has_bounds(target):
    settings = signature(target).settings.items()
    specs = {name: one.spec.spec if isinstance(one.spec, Optional) else one.spec for name, one in settings}
    numbers = {name: spec for name, spec in specs.items() if isinstance(spec, Int | Float)}
    free = {name for name, spec in numbers.items() if spec == type(spec)(help=spec.help)}
    assert free == UNBOUNDED.get(target, set())


@pytest.mark.parametrize("target", [target for target in SHIPPED if target.startswith(OURS)])
def test_every_setting_is_explained(target):
    assert [name for name, one in signature(target).settings.items() if not one.spec.help] == []


@pytest.mark.parametrize("target", [target for target in SHIPPED if target.startswith(OURS)])
def test_a_default_is_allowed(target):
    known = [one for one in signature(target).settings.values() if one.default not in (REQUIRED, UNKNOWN)]
    assert [(one.name, one.default) for one in known if one.spec.problem(one.default)] == []


def test_torch_is_not_imported_and_the_shipped_classes_are_read_at_once():
    code = (
        "import sys, time; from experiments.settings.signatures import signature; start = time.process_time()\n"
        f"for target in {SHIPPED!r}: assert signature(target)\n"
        "print(time.process_time() - start, [name for name in ('torch', 'datamodules.base') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    seconds, _, imported = told.strip().partition(" ")
    assert imported == "[]"
    assert float(seconds) < 10  # of CPU time; about half a second


def hints_of(found):
    if not inspect.isclass(found):
        return get_type_hints(found, include_extras=True)
    hints = {}
    for base in reversed(found.__mro__):
        if base.__module__.startswith(("lightning_gans", "datamodules")) and "__init__" in vars(base):
            hints |= get_type_hints(vars(base)["__init__"], include_extras=True)
    return hints


def is_filled_in(hint):
    marks = getattr(hint, "__metadata__", ())
    return any(isinstance(mark, FilledIn) for mark in marks) or getattr(hint, "__name__", "") == "Optimizer"


def bounds_of(member):
    """An annotated member's bounds as the fields of a number."""
    names = {Ge: "min", Le: "max", Gt: "above", Lt: "below"}
    marks = [mark for mark in member.__metadata__ if type(mark) in names]
    return {names[type(mark)]: getattr(mark, type(mark).__name__.lower()) for mark in marks}


def compatible(spec, hint):
    """Return True if a spec lets through only values of an annotation: bounds, None and literal values included."""
    members = set(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else {hint}
    optional = type(None) in members
    if isinstance(spec, Optional) != optional:
        return False
    spec = spec.spec if isinstance(spec, Optional) else spec
    members -= {type(None)}
    annotated = [member for member in members if get_origin(member) is Annotated]
    among = [value for member in annotated for mark in member.__metadata__ for value in getattr(mark, "values", ())]
    if isinstance(spec, Int | Float):
        (bounds,) = [bounds_of(member) for member in annotated] or [{}]
        if {name: getattr(spec, name) for name in ("min", "max", "above", "below")} != {
            name: bounds.get(name) for name in ("min", "max", "above", "below")
        }:
            return False
    members = {member.__origin__ if member in annotated else member for member in members}
    literals = {value for member in members if get_origin(member) is Literal for value in get_args(member)}
    names = {get_origin(member) or member for member in members}
    if isinstance(spec, Choice) and among:
        return list(spec.values) == among
    if isinstance(spec, Choice):
        free = [value for value in spec.values if type(value) not in names]
        return set(free) == literals if literals else not free
    if isinstance(spec, Path):
        marked = any(isinstance(mark, Exists) for member in annotated for mark in member.__metadata__)
        names |= {part for member in annotated for part in get_args(member.__origin__)}
        return spec.exists == marked and (
            FilePath in names or any(getattr(name, "__name__", "") == "PathLike" for name in names)
        )
    kinds = {Int: {int}, Float: {float}, Bool: {bool}, Text: {str}, Table: {dict, Mapping}}
    if type(spec) in kinds:
        return bool(names & kinds[type(spec)])
    if isinstance(spec, ListOf):
        return bool(names & {Sequence, list, tuple})
    return isinstance(spec, Node) and not names & {int, float, bool, str}


def test_the_comparison_can_fail():
    assert compatible(Int(), int)
    assert not compatible(Int(), str)
    assert not compatible(Int(), int | None)
    assert not compatible(Int(min=1), int)
    assert not compatible(Int(min=1), Annotated[int, Ge(0)])
    assert compatible(Float(min=0, below=1), Annotated[float, Ge(0), Lt(1)])
    assert compatible(Optional(Int()), int | None)
    assert compatible(Choice(("a", "b")), Literal["a", "b"])
    assert not compatible(Choice(("a",)), Literal["a", "b"])
    assert compatible(Choice(("auto", True, False)), Literal["auto"] | bool)
    assert not compatible(Node(), int)


# Every shipped file


def pairs():
    """(variant, data, further choices): every recipe, and every file of data and of other groups.

    Marked as slow: every variant with every class of data that it plays; files of one class of data (the sets of
    torchvision) take turns.
    """
    composer = shared()
    others = {group: [name for name in composer.options(group) if name != "none"] for group in ("trainer", "logger")}
    others = {group: cycle(names) for group, names in others.items()}
    files: dict[str, list[str]] = {}
    for data in CATALOGUE:
        files.setdefault(CATALOGUE[data].module, []).append(data)
    variants = composer.options("variant")
    seen: set[str] = set()

    def case(variant, data, *marks):
        seen.update((f"variant/{variant}", f"data/{data}", f"{variant}/{data}"))
        choices = [f"{group}={next(names)}" for group, names in others.items()]
        choices += ["network.model.classes=3"] * (
            variant in ("cgan", "acgan", "projection", "r3gan_conditional") and data == "folder"
        )
        if data == "attributes":
            choices += ["data.conditions=table.csv", "network.model.condition_dim=3"]
        choices += ["data.batch_size=2"] * (data == "unpaired")  # for two processes
        return pytest.param(variant, data, choices, marks=marks, id=f"{variant}-{data}")

    for variant in variants:
        for data in offered.recipes(variant):
            yield case(variant, data)
    for names in files.values():
        playing = [variant for variant in variants if fitting.plays(variant, offered.data_class(names[0]))]
        count = max(len(playing), len(names))
        for variant, data in islice(zip(cycle(playing), cycle(names), strict=False), count):
            if f"{variant}/{data}" not in seen:
                new = not {f"variant/{variant}", f"data/{data}"} <= seen
                yield case(variant, data, *() if new else (pytest.mark.slow,))


def test_choices_are_registered():
    assert set(shared().options("data")) == set(CATALOGUE)


PLANAR_NETWORKS = "planar", "ref_pair", "moved_points", "pacgan_planar"
D_OPTIMIZER = "optimizer@variant.training.players.D.optimizer"


@pytest.mark.parametrize("variant, data, others", list(pairs()))
def test_every_file_composes_and_is_valid(variant, data, others, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight([f"variant={variant}", f"data={data}", *others])
    assert job.choices["data"] == data
    assert job.name.startswith(f"{variant}-{data}")


def of_images(network):
    """Return True if a network is not made for a game on other data, nor a variant's usual one (composed above)."""
    variant = network.partition("_")[0]
    usual = map(offered.usual_network, shared().options("variant"))
    return network not in (*PLANAR_NETWORKS, *usual) and fitting.plays(variant, offered.data_class("digits"))


@pytest.mark.parametrize(
    "choice",
    [
        *(f"network={name}" for name in shared().options("network") if of_images(name)),
        *(f"{D_OPTIMIZER}={name}" for name in shared().options("optimizer")),
        *(f"augment={name}" for name in shared().options("augment")),
        *(f"init={name}" for name in shared().options("init")),
        *"metrics=inception metrics=own metrics=none logger=none callbacks=default".split(),
    ],
)
def test_other_choices_compose_for_images(choice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    group, _, name = choice.partition("=")
    own = name.partition("_")[0]  # a network's name begins with that of the game it is made for, if of one alone
    variant = own if group == "network" and own in shared().options("variant") else "vanilla"
    data = ["data=digits"] if fitting.plays(variant, offered.data_class("digits")) else []
    (job,) = preflight([f"variant={variant}", *data, choice])
    assert job.choices[group] == name


@pytest.mark.parametrize("name", shared().options("matching"))
def test_every_matching_composes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=mcgan", "data=ring", f"matching={name}"])
    assert job.name == ("mcgan-ring-0" if name == "mean" else f"mcgan-ring-{name}-0")


@pytest.mark.parametrize("name", shared().options("likelihood"))
def test_every_likelihood_composes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (job,) = preflight(["variant=vae", f"likelihood={name}", "network=vae_mlp"])
    assert job.config["variant"]["model"]["likelihood"]["_target_"].lower().endswith(f".{name}")


@pytest.mark.parametrize("experiment", shared().options("experiment"))
def test_every_experiment_composes_and_is_valid(experiment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if experiment.startswith("study/"):  # its jobs are checked where the pages show its command
        study = shared().chosen((f"experiment={experiment}",)).config.study
        assert study.jobs or experiment == "study/metrics"  # which trains nothing
        assert callable(importlib.import_module(study.report).report)
    else:
        (job,) = plan([f"experiment={experiment}"]).jobs
        assert job.choices["experiment"] == experiment


def test_every_file_is_met_above():
    composer = shared()
    met = {f"{g}/{name}" for g in ("variant", "metrics", "augment", "init") for name in composer.options(g)}
    met |= {f"data/{name}" for name in CATALOGUE}
    met |= {f"{g}/{name}" for g in ("objective", "penalty", "trainer", "logger") for name in composer.options(g)}
    met |= {f"{g}/{name}" for g in ("network", "optimizer", "matching", "likelihood") for name in composer.options(g)}
    met |= {f"experiment/{name}" for name in composer.options("experiment")}
    met |= {"callbacks/default", "train"}
    met |= {"hydra/launcher/local", "hydra/launcher/slurm"}  # test_cluster_launchers.py
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
    assert set(trainer) == set(PLACES["trainer"].settings)
    main = yaml.safe_load((CONF / "train.yaml").read_text())
    assert set(main) - {"defaults", "hydra", "choose"} == set(TOP)


def test_every_setting_of_every_run_is_explained():
    settings = TOP | {f"{place}.{key}": spec for place, one in PLACES.items() for key, spec in one.settings.items()}
    assert [key for key, spec in settings.items() if not spec.help] == []


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


# A configuration against signatures


def found_in(node, *, built=False):
    return [problem.text for problem in validate._nested(node, "variant", built=built)]


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of a user's own, read by its path."""
    (tmp_path / "of_a_user.py").write_text(
        "from typing import Annotated\nimport annotated_types as at\nfrom lightning_gans.settings import Given\n"
        "raise ImportError('read, never imported')\n"
        "class Game:\n"
        "    def __init__(self, loss, *, k: Annotated[int, at.Ge(1)] = 1, data: Given[object] = None): ...\n"
        "class Open:\n    def __init__(self, *, k: int = 1, **rest): self.rest = rest\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "of_a_user"


def test_a_given_argument_cannot_be_set(mine):
    (text,) = found_in({"_target_": f"{mine}.Game", "loss": 1, "data": 2})
    assert text == "variant.data cannot be set: the program fills it in."


def test_a_missing_argument_is_named_where_an_object_is_built(mine):
    node = {"_target_": f"{mine}.Game", "k": 2}
    assert found_in(node, built=True) == ["variant.loss is missing: Game needs it."]
    assert found_in(node) == []
    assert found_in(node | {"_partial_": True}, built=True) == []


def test_a_class_outside_the_tree_is_checked_by_its_source(mine):
    node = {"_target_": f"{mine}.Game", "loss": {"_target_": f"{mine}.Game", "loss": 0, "k": 0}, "kk": 1}
    assert found_in(node) == [
        "variant.kk: there is no such setting. Did you mean variant.k?",
        "variant.loss.k=0 is out of range; allowed: a whole number of at least 1.",
    ]


def test_what_cannot_be_read_is_let_through(mine):
    assert found_in({"_target_": f"{mine}.Open", "k": 1, "other": 2}) == []
    assert found_in({"_target_": "nowhere.at.All", "other": 2}, built=True) == []
    assert found_in({"_target_": f"{mine}.Nothing", "other": 2}, built=True) == []


def test_the_missing_part_of_a_variant_is_told_before_torch_is_imported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^variant\.loss is missing: ACGAN needs it\.$"):
        preflight(["~variant.loss"])


def test_a_subclass_has_its_bases_in_its_lineage():
    assert [found.name for found in lineage("lightning_gans.variants.acgan.ACGAN")] == [
        *("ACGAN", "ConditionalGAN", "GAN", "Game")
    ]
    assert isinstance(signature("torch.optim.Adam").settings["betas"].spec, Spec)
