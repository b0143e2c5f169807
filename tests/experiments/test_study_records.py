"""The record that a study keeps of its runs, and the page of mode coverage, which is made of it."""

import csv
import json

import pytest

from experiments.studies import mode_coverage
from experiments.studies.record import as_curve, of_curve
from lightning_gans.core.errors import UserError
from tests.helpers.studied import coverage, covered, write


def test_mode_coverage_takes_the_last_evaluation_and_leaves_out_what_did_not_end(tmp_path, capsys):
    metrics = {"iteration": [50, 100], "modes": [8, 7], "high_quality": [0.9, 0.8], "reverse_kl": [0.1, 0.2]}
    done = write(tmp_path / "a", config=covered(1), metrics=metrics)
    lost = write(tmp_path / "b", config=covered(2), metrics=metrics, status="diverged")
    stopped = write(tmp_path / "c", config=covered(3), metrics=metrics, status="interrupted")
    mode_coverage.report([done, lost, stopped], tmp_path)
    page = (tmp_path / "mode_coverage.md").read_text()
    assert "| lsgan | 1 (1 diverged) | 5,000 | 7.0 | 80.0 | 0.200 | 0 of 2 |" in page
    assert "PacGAN2, published" in page
    assert f"{stopped} (interrupted)" in capsys.readouterr().out


def test_a_record_grows_from_one_call_to_the_next(tmp_path):
    mode_coverage.report([coverage(tmp_path, 1, 0.5), coverage(tmp_path, 2, 0.6)], tmp_path)
    mode_coverage.report([coverage(tmp_path, 2, 0.8), coverage(tmp_path, 10, 0.8)], tmp_path)
    page = (tmp_path / "mode_coverage.md").read_text()
    assert "| lsgan | 3 | 5,000 | 8.0 ± 0.0 | 70.0 ± 17.3 |" in page  # .5 .8 .8
    with (tmp_path / "mode_coverage.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["seed"], line["commit"]) for line in lines] == [("1", "0.5"), ("2", "0.8"), ("10", "0.8")]
    assert {(line["machine"], line["batch_size"]) for line in lines} == {("2 cores of X", "256")}


def test_data_without_modes_are_left_out(tmp_path, capsys):
    spiral = coverage(tmp_path, 1, 0.5)
    config = covered(1) | {"names": {"data": "spiral", "group": "lsgan-spiral-mode_coverage"}}
    (spiral / "config.yaml").write_text(json.dumps(config))
    mode_coverage.report([spiral, coverage(tmp_path, 2, 0.6)], tmp_path)
    assert "| lsgan | 1 | 5,000 | 8.0 | 60.0 |" in (tmp_path / "mode_coverage.md").read_text()
    assert f"{spiral} (its data have no modes to count)" in capsys.readouterr().out


def test_two_recipes_of_a_game_are_two_rows(tmp_path):
    mode_coverage.report([coverage(tmp_path, 1, 0.5), coverage(tmp_path, 2, 0.5)], tmp_path)
    mode_coverage.report([coverage(tmp_path, 1, 0.9, iterations=9000)], tmp_path)
    rows = [row for row in (tmp_path / "mode_coverage.md").read_text().splitlines() if row.startswith("| lsgan (")]
    assert sorted(row.split(" | ")[:5] for row in rows) == [
        ["| lsgan (5,000 x 256)", "2", "5,000", "8.0 ± 0.0", "50.0 ± 0.0"],
        ["| lsgan (9,000 x 256)", "1", "9,000", "8.0", "90.0"],
    ]
    assert len((tmp_path / "mode_coverage.csv").read_text().splitlines()) == 4


def test_recipes_of_one_budget_are_told_by_their_digests(tmp_path):
    mode_coverage.report([coverage(tmp_path, 1, 0.5), coverage(tmp_path, 1, 0.6, network={"width": 9})], tmp_path)
    with (tmp_path / "mode_coverage.csv").open() as file:
        recipes = {line["recipe"] for line in csv.DictReader(file)}
    page = (tmp_path / "mode_coverage.md").read_text()
    assert len(recipes) == 2
    assert all(f"| lsgan ({recipe}) | 1 |" in page for recipe in recipes)


def test_another_file_is_no_record(tmp_path):
    (tmp_path / "mode_coverage.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"mode_coverage\.csv: not the record of this study"):
        mode_coverage.report([coverage(tmp_path, 1, 0.5)], tmp_path)
    assert (tmp_path / "mode_coverage.csv").read_text() == "a,b\n1,2\n"


def test_a_curve_is_read_as_it_was_written():
    assert of_curve(as_curve([100, 200], [0.5, 0.75])) == ([100, 200], [0.5, 0.75])
    assert of_curve(as_curve([], [])) == ([], [])
