"""docs/tutorials/metric.md: its files and commands as they stand, and the metric wherever shipped ones appear."""

import csv
import json

import pytest

from tests.helpers.documents import DOCS, read_page, run_command
from tests.helpers.offline_runs import read_offline_run

PAGE = read_page(DOCS / "tutorials" / "metric.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("metric")
    PAGE.write(folder)
    return folder


@pytest.fixture(scope="module")
def outputs(folder):
    """Output of every command of the page, by its module and its place."""
    return [(command[0].removeprefix("experiments."), run_command(command, folder)) for command in PAGE.commands]


def test_the_page_has_files_and_commands():
    assert set(PAGE.files) == {"my_metrics.py", "my_pictures.py", "conf/experiment/sharp.yaml"}
    assert [command[0] for command in PAGE.commands] == [
        f"experiments.{name}" for name in ("train", "compare", "evaluate", "train")
    ]


def test_a_metric_appears_wherever_shipped_ones_do(folder, outputs):
    (_, trained), (_, compared), (_, evaluated), _ = outputs
    run = folder / "runs" / "sharp"
    with (run / "metrics.csv").open() as file:
        values = [float(row["sharpness"]) for row in csv.DictReader(file)]
    assert len(values) == 2
    summary = json.loads((run / "summary.json").read_text())
    score = summary["metrics"]["sharpness"]
    assert score["better"] == "higher"
    assert score["best"] == pytest.approx(max(values), rel=1e-5)
    assert score["last"] == pytest.approx(values[-1], rel=1e-5)
    assert summary["metrics"]["fid_classifier"]["better"] == "lower"
    assert "sharpness" in summary["test"]["last"]
    assert "near" not in summary["metrics"]
    (logged,) = read_offline_run(run)
    history = [row["eval/sharpness"] for row in logged.history.values() if "eval/sharpness" in row]
    assert history == pytest.approx(values, rel=1e-5)
    assert logged.summary["eval/sharpness.best"] == pytest.approx(max(values), rel=1e-5)
    assert logged.summary["eval/sharpness"] == {"max": pytest.approx(max(values), rel=1e-5)}
    assert logged.config["choices"]["metrics"] == "classifier"
    assert {"eval/fid_classifier_se", "train/D/loss", "images", "seconds"} <= set().union(*logged.history.values())
    assert "test/sharpness.last" in logged.summary
    assert any("sharpness" in line and ("↑" in line or "(high)" in line) for line in trained.splitlines())
    assert "sharpness" in compared
    assert "(high)" in compared or "↑" in compared
    for name in ("sharpness", "near", "reached"):
        assert f"{name} (high)" in evaluated


def test_settings_and_pictures_from_a_configuration(folder, outputs):
    run = folder / "runs" / "neighbours"
    assert {"sharpness", "near", "reached"} <= set(json.loads((run / "summary.json").read_text())["metrics"])
    assert sorted(path.name for path in (run / "samples").glob("average-*.png")) == [
        "average-00000020.png",
        "average-00000040.png",
    ]
    (logged,) = read_offline_run(run)
    assert any("samples/average.path" in row for row in logged.history.values())
