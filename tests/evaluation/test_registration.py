"""Registration of measures: decorators, declarations, and measures of a user's own module."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import lightning_gans.evaluation
from lightning_gans.core.errors import UserError
from lightning_gans.core.protocols import Samples
from lightning_gans.evaluation.measures import MEASURES, higher, measure, measures, metric
from lightning_gans.metrics.names import METRICS, declared_in

MINE = """
from lightning_gans.core.protocols import Samples
from lightning_gans.evaluation import higher, lower, measure, metric


@metric("mine", better="lower", help="of one", needs=Samples)
def one(model, data, split):
    return model.sample(2).sum()


@measure(higher("mine_a", "of two"), lower("mine_b", "of two"))
class Two:
    def __init__(self, factor=2.0):
        self.factor = factor

    def __call__(self, model, data, split):
        return {"mine_a": self.factor, "mine_b": 1.0}
"""


class Ones(nn.Module):
    def sample(self, n, *, seed=0, start=0):
        return torch.ones(n)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The name of a module that registers two measures."""
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    before = dict(METRICS)
    yield name
    METRICS.clear()
    METRICS.update(before)


def scores(found):
    return [one(Ones(), None, "test") for one in found]


def test_a_module_or_one_of_it_joins_the_shipped_measures(mine):
    shipped = len(measures())
    assert scores(measures(f"{mine}.one")[shipped:]) == [{"mine": 2.0}]
    assert scores(measures([f"{mine}"])[shipped:]) == [{"mine": 2.0}, {"mine_a": 2.0, "mine_b": 1.0}]
    given = [f"{mine}.Two", {"_target_": f"{mine}.Two", "factor": 3.0}]
    assert [found["mine_a"] for found in scores(measures(given)[shipped:])] == [2.0, 3.0]
    assert len(measures()) == shipped
    assert [METRICS[name].better for name in ("mine", "mine_a", "mine_b")] == ["lower", "higher", "lower"]
    assert METRICS["mine"].home == mine


def test_a_model_that_lacks_what_a_measure_needs_gives_nothing(mine):
    (one,) = measures(f"{mine}.one")[len(measures()) :]
    assert one(nn.Identity(), None, "test") == {}


@pytest.mark.parametrize(
    "name, words",
    [
        ("MINE.tow", "registers no such measure. It registers MINE.one, MINE.Two"),
        ("no_such_module.one", "there is no module no_such_module"),
        ("no_such_module", "there is no module no_such_module"),
        ("json.dumps", "registers no such measure. It registers none"),
        ({"_target_": "MINE.Two", "facto": 1.0}, "facto"),
        ({"_target_": "json.dumps"}, "registers no such measure"),
        ({}, "there is no module"),
    ],
)
def test_what_is_no_measure_is_refused(mine, name, words):
    given = {k: str(v).replace("MINE", mine) for k, v in name.items()} if isinstance(name, dict) else name
    given = given.replace("MINE", mine) if isinstance(given, str) else given
    with pytest.raises(UserError) as refused:
        measures([given])
    assert words.replace("MINE", mine) in str(refused.value)


@pytest.mark.parametrize(
    "content, words",
    [
        ("import no_such_library", "its import fails: No module named 'no_such_library'"),
        ("def broken(:", "its import fails: invalid syntax"),
        ("from lightning_gans.evaluation import nothing", "its import fails: cannot import name 'nothing'"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(tmp_path, monkeypatch, content, words):
    name = f"broken_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    for given in (name, f"{name}.one"):
        with pytest.raises(UserError) as refused:
            measures(given)
        assert words in str(refused.value)


@pytest.mark.parametrize(
    "name, better, words",
    [
        ("fid", "lower", "lightning_gans.evaluation.quality has a metric fid already"),
        ("iteration", "lower", "cannot be named 'iteration'"),
        ("a b", "lower", "cannot be named 'a b'"),
        ("free", "min", "better='min' of metric free must be 'lower' or 'higher'"),
    ],
)
def test_names_that_do_not_fit_are_refused(name, better, words):
    with pytest.raises(UserError, match=words):
        metric(name, better=better)(lambda model, data, split: 1.0)
    assert METRICS["fid"].home == "lightning_gans.evaluation.quality"
    assert "free" not in METRICS


def test_a_class_that_needs_settings_says_so(mine):
    @measure(higher("mine_c", "needs"), needs=Samples)
    class Needs:
        def __init__(self, k):
            self.k = k

        def __call__(self, model, data, split):
            return {}

    Needs.__qualname__, Needs.__module__ = "Needs", mine
    MEASURES.add(Needs)
    with pytest.raises(UserError, match=r"missing 1 required .* 'k'.*_target_: .*Needs"):
        measures(f"{mine}.Needs")


def test_declarations_in_the_sources_are_those_of_the_decorators():
    package = Path(lightning_gans.evaluation.__file__).parent
    read = {found for file in package.glob("*.py") for found in declared_in(file, file.stem)}
    assert len(read) > 40
    code = (
        "from lightning_gans.metrics.names import METRICS\n"
        "before = dict(METRICS)\n"
        "METRICS.clear()\n"
        "from lightning_gans.evaluation.measures import measures\n"
        "import lightning_gans.evaluation.quality, lightning_gans.evaluation.synthetic\n"
        "measures()\n"
        "assert METRICS == before, set(METRICS.items()) ^ set(before.items())\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_commands_without_torch_know_the_directions():
    code = "import sys, experiments.compare, lightning_gans.evaluation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
