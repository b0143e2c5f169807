"""The study of metrics, which trains nothing."""

import pytest
import torch

from experiments import train
from experiments.jobs.preflight import plan
from experiments.studies import metrics
from experiments.studies.__main__ import main as main_of_studies
from lightning_gans.core.errors import UserError
from lightning_gans.core.rng import stream
from lightning_gans.extractors.base import Features


class Pixels:
    """Features of four pixels, and classes that follow one of them."""

    name = "pixels of a test"

    def __call__(self, x):
        return Features(x[:, 0, 8:24:10, 8:24:10].flatten(1), torch.eye(10)[((x[:, 0, 16, 16] + 1) * 4.99).long()])


@pytest.fixture
def quick(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(metrics, "classifier", lambda *_, **__: Pixels())
    monkeypatch.setattr(metrics, "DRAWS", 2)
    short = [failure._replace(levels=(failure.levels[0], failure.told)) for failure in metrics.FAILURES]
    monkeypatch.setattr(metrics, "FAILURES", tuple(short))
    return tmp_path


def test_it_has_no_jobs_and_no_settings():
    found = plan(["experiment=study/metrics"])
    assert (found.jobs, found.study, found.multirun) == ([], "experiments.studies.metrics", False)
    assert plan(["-m", "experiment=study/metrics"]).jobs == []
    with pytest.raises(
        UserError, match=r"^seed=1,2: this study trains nothing.* Say experiment=study/metrics alone\.$"
    ):
        plan(["-m", "experiment=study/metrics", "seed=1,2"])


def test_the_command_makes_its_page(quick):
    assert train.main(["experiment=study/metrics"]) == 0
    assert (quick / "studies" / "metrics.png").is_file()
    page = (quick / "studies" / "metrics.md").read_text()
    assert "Features\nare those of pixels of a test." in page
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    table = {name: cells for name, *cells in rows if cells[0] != "---"}
    assert table["half of them training images"][-1] == "**0.500**"
    assert table["undegraded"][-1] == "0.000"
    assert {name[:3] for name in table} >= {"(a)", "(b)", "(c)"}
    assert all(len(cells) == len(metrics.TITLES) for cells in table.values())


def test_it_is_made_again_without_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written = []
    monkeypatch.setattr(metrics, "report", lambda runs, folder: written.append((runs, str(folder))))
    assert main_of_studies(["metrics", "out=again"]) == 0
    assert written == [([], "again")]


def test_the_halves_share_no_image_and_have_the_same_classes():
    digits = metrics.halves()
    assert abs(len(digits.known) - len(digits.other)) <= 1
    counts = [torch.bincount(labels) for labels in (digits.known_labels, digits.other_labels)]
    assert (counts[0] - counts[1]).abs().max() <= 1
    together = torch.cat([digits.known, digits.other])
    assert len(together) == 1437


def made(name, make, *level):
    return make(metrics.halves(), *level, stream("test", name))


@pytest.mark.parametrize("failure", metrics.FAILURES, ids=lambda failure: failure.axis)
def test_every_level_has_as_many_images_in_range(failure):
    for level in failure.levels:
        x = made(failure.axis, failure.makes, level)
        assert x.shape == (level if failure.makes is metrics._fewer else metrics.N, 1, 32, 32)
        assert x.abs().max() < 1.0001
        assert torch.equal(x, made(failure.axis, failure.makes, level))
    assert failure.told in failure.levels


@pytest.mark.parametrize("name, distinct", list(zip(metrics.COLLAPSED, (10, 30, None), strict=True)))
def test_collapsed_sets(name, distinct):
    x = made(name, metrics.COLLAPSED[name])
    assert len(x) == metrics.N
    assert distinct is None or len(x.unique(dim=0)) == distinct


def test_a_cell_tells_worse_from_better():
    real = [0.9, 0.91, 0.89]
    assert metrics._cell("recall", [0.5, 0.51, 0.49], real) == "**0.500**"
    assert metrics._cell("recall", [0.99, 0.98, 1.0], [0.5, 0.51, 0.49]) == "*0.990*"
    assert metrics._cell("recall", [0.89, 0.9, 0.88], real) == "0.890"
    assert metrics._cell("fid", [12.3, 12.4, 12.2], real) == "**12.3**"
    assert metrics._cell("memorised", [0.5, 0.5], [0.0, 0.0]) == "**0.500**"
