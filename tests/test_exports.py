"""Names that the packages export: complete, known to type checkers, and cheap until one is used."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from lightning_gans import Game
from lightning_gans.models.spec import exportable

PACKAGES = (
    "datamodules",
    "lightning_gans",
    "lightning_gans.losses",
    "lightning_gans.loggers",
    "lightning_gans.networks",
    "lightning_gans.variants",
)
APART = {"lightning_gans.networks.initialization", "lightning_gans.loggers.connection"}


def statically_imported(package):
    """Names under `if TYPE_CHECKING:`, which are those that type checkers see."""
    tree = ast.parse(Path(package.__file__).read_text())
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {alias.name: node.module for node in guarded.body for alias in node.names}


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_is_there_and_known_to_type_checkers(name):
    package = import_module(name)
    static = statically_imported(package)
    assert set(package.__all__) == set(static)
    assert len(package.__all__) == len(set(package.__all__))
    for exported in package.__all__:
        assert getattr(package, exported) is getattr(import_module(static[exported]), exported)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        package.nothing_of_the_kind  # noqa: B018


@pytest.mark.parametrize("name", ["losses", "networks", "variants"])
def test_no_public_class_is_missing(name):
    package = import_module(f"lightning_gans.{name}")
    for found in iter_modules(package.__path__, f"{package.__name__}."):
        module = import_module(found.name)
        if found.name not in APART:
            own = {n for n, c in vars(module).items() if inspect.isclass(c) and c.__module__ == found.name}
            own = {n for n in own if name != "variants" or issubclass(getattr(module, n), Game)}
            assert {n for n in own if not n.startswith("_")} <= set(package.__all__), found.name


def test_importing_the_packages_imports_nothing_heavy():
    heavy = "torch numpy pytorch_lightning sklearn wandb".split()
    script = f"import sys, {', '.join(PACKAGES)}; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_an_exported_model_may_name_its_networks_by_their_short_names():
    known = exportable()
    assert known["lightning_gans.networks.MLPGenerator"] is known["lightning_gans.networks.mlp.MLPGenerator"]
    assert "lightning_gans.networks.estimate_norms" not in known
    assert "lightning_gans.networks.import_module" not in known
    assert "lightning_gans.models.load_generator" not in known
