"""The list of commands, and the console script `lightning-gans` that runs them."""

import ast
import configparser
import os
import sys
from pathlib import Path

import pytest

import experiments
from experiments import __main__ as commands
from experiments import distribution

HERE = Path(experiments.__file__).parent


@pytest.fixture(autouse=True)
def _arguments(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["experiments"])
    monkeypatch.setattr(sys, "path", [*sys.path])


def runnable():
    """Names of the modules of `experiments` that run as `python -m experiments.NAME`."""
    files = {path.stem: path for path in HERE.glob("*.py")} | {
        path.parent.name: path for path in HERE.glob("*/__main__.py")
    }
    return {name for name, path in files.items() if name != "__main__" and '__name__ == "__main__"' in path.read_text()}


def test_every_command_is_listed_with_a_line_of_its_own(capsys):
    assert {*commands.COMMANDS} == runnable()
    assert commands.main([]) == 0
    listed = dict(
        line.split(None, 1) for line in capsys.readouterr().out.splitlines() if line[2:].startswith(commands.COMMANDS)
    )
    assert {*listed} == {*commands.COMMANDS}
    assert all(line.endswith(".") for line in listed.values())
    assert all(len(line) <= 110 for line in listed.values())


@pytest.mark.parametrize("argv", [["--help"], ["-h"]])
def test_help_is_the_list(capsys, argv):
    assert commands.main(argv) == 0
    assert capsys.readouterr().out.startswith("usage: python -m experiments COMMAND")


def test_the_console_script_calls_itself_by_its_name(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/lightning-gans"])
    assert commands.main() == 0
    assert capsys.readouterr().out.startswith("usage: lightning-gans COMMAND")


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_that_of_setup_cfg(capsys, flag):
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(HERE.parent / "setup.cfg")
    assert commands.main([flag]) == 0
    assert capsys.readouterr().out == f"lightning-gans {settings['metadata']['version']}\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["trian"], ["'trian'", "Did you mean python -m experiments train?", "compare, augment"]),
        (["variant=bigan", "data=ring"], ["Say: python -m experiments train variant=bigan"]),
        (["--cfg", "job"], ["There is no command '--cfg'"]),
    ],
)
def test_an_unknown_command_is_refused_with_near_ones(capsys, argv, words):
    assert commands.main(argv) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error


def test_arguments_and_exit_code_are_passed_on_unchanged(monkeypatch):
    seen = {}

    def run_module(name, run_name, alter_sys):
        seen.update(name=name, run_name=run_name, alter_sys=alter_sys, argv=sys.argv[1:], path=sys.path[-1])
        raise SystemExit(3)

    monkeypatch.setattr(commands.runpy, "run_module", run_module)
    monkeypatch.setattr(sys, "path", ["/somewhere/bin"])
    words = ["variant=bigan", "a b", "--cfg", "job", "x='[1, 2]'", "--help", "--version"]
    assert commands.main(["train", *words]) == 3
    assert seen.pop("path") == os.getcwd()  # as `python -m` finds the user's own modules
    assert seen == {"name": "experiments.train", "run_name": "__main__", "alter_sys": True, "argv": words}


def test_a_command_runs_in_this_process(capsys):
    assert commands.main(["compare", "no/such/runs"]) == 2
    assert "no/such/runs" in capsys.readouterr().err


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_explains_itself(capsys, name):
    assert commands.main([name, "--help"]) == 0
    said = capsys.readouterr()
    assert f"experiments.{name}" in said.out
    assert not said.err


def test_listing_imports_nothing_heavy():
    """torch, Hydra and rich take seconds; ast.parse of nine files takes milliseconds."""
    tree = ast.parse((HERE / "__main__.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    known = {"experiments", "experiments.distribution", "experiments.settings.suggest", "lightning_gans.core.errors"}
    assert {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names} <= known


def test_an_installed_package_reads_what_pip_has_written(monkeypatch, tmp_path):
    """Without a setup.cfg beside the packages, or with that of another project."""
    of_source = distribution.requirements()
    (tmp_path / "setup.cfg").write_text("[metadata]\nname = another\nversion = 9\n")
    lines = ["torch>=2.10", "wandb>=0.26", 'submitit>=1.5; extra == "slurm"', 'lightning-gans[slurm]; extra == "dev"']

    class Metadata:
        def get_all(self, name):
            assert name == "Provides-Extra"
            return ["slurm", "dev"]

    monkeypatch.setattr(distribution, "ROOT", tmp_path)
    monkeypatch.setattr(distribution.metadata, "version", {"lightning-gans": "1.2.3"}.__getitem__)
    monkeypatch.setattr(distribution.metadata, "metadata", lambda name: Metadata())
    monkeypatch.setattr(distribution.metadata, "requires", {"lightning-gans": lines}.__getitem__)
    assert distribution.version() == "1.2.3"
    found = {extra: [one.name for one in ones] for extra, ones in distribution.requirements().items()}
    assert found == {"": ["torch", "wandb"], "slurm": ["submitit"], "dev": []}
    assert distribution.tested() == {}
    assert {"torch", "wandb"} <= {one.name for one in of_source[""]}


def test_a_copied_package_has_an_unknown_version(monkeypatch, tmp_path):
    def missing(name):
        raise distribution.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(distribution, "ROOT", tmp_path)
    monkeypatch.setattr(distribution.metadata, "version", missing)
    monkeypatch.setattr(distribution.metadata, "metadata", missing)
    assert distribution.version() == "unknown"
    assert distribution.requirements() == {"": []}
