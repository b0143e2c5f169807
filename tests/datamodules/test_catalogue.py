import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import datamodules
import experiments
from datamodules.catalogue import CATALOGUE, IN_WORDS, always_there, data_class
from experiments.trained.loading import data_modules

CONFIGS = Path(experiments.__file__).parent / "conf" / "data"


def test_the_catalogue_is_the_configs():
    assert set(CATALOGUE) == {path.stem for path in CONFIGS.glob("*.yaml")}
    assert "digits" in always_there()
    assert "mnist" not in always_there()
    assert "folder" not in always_there()


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_config_is_its_constructor(name, tmp_path):
    text = (CONFIGS / f"{name}.yaml").read_text()
    assert text.startswith("# @package _global_\n")
    config = yaml.safe_load(text)["data"]
    package, _, home = config.pop("_target_").partition(".")
    target = getattr(datamodules, home)
    assert package == "datamodules"
    assert home in datamodules.__all__
    parameters = inspect.signature(target).parameters
    required = {name for name, one in parameters.items() if one.default is one.empty}
    assert required <= set(config) <= set(parameters)
    conditions = tmp_path / "conditions.csv"
    conditions.write_text("file,smiling\n1.png,1\n")
    theirs = {"root": "somewhere", "conditions": str(conditions)}  # of the user's files
    data = target(**{**config, **{name: value for name, value in theirs.items() if name in parameters}})
    entry = CATALOGUE[name]
    contents = getattr(target, "contents", "")
    assert (target.batch.__name__, contents) in IN_WORDS
    if contents:
        assert len(data.sample_shape) == (3 if contents == "images" else 1)
    assert entry.module == home
    assert entry.needs_download == ("download" in parameters)
    if name not in ("folder", "paired", "unpaired"):  # the user's files decide
        assert entry.classes == (None if data.classes is None else len(data.classes))


def test_a_choice_may_name_the_file_of_its_class(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "mine", CATALOGUE["digits"]._replace(module="digits.Digits"))
    assert data_class("mine") is datamodules.Digits
    assert "datamodules.digits.Digits" in data_modules()


def test_every_export_is_there():
    assert all(inspect.isclass(getattr(datamodules, name)) for name in datamodules.__all__)
    with pytest.raises(AttributeError, match="Digit"):
        _ = datamodules.Digit


def test_the_catalogue_needs_no_torch():
    code = "import sys, datamodules.catalogue; sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=CONFIGS.parents[2]).returncode == 0


def test_the_documentation_lists_every_choice():
    table = (CONFIGS.parents[2] / "docs" / "ADDING_DATA.md").read_text()
    for name, entry in CATALOGUE.items():
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{name}` | {entry.description} | ")]
        assert row.endswith("| none |") != entry.needs_download
