"""One table of runs from their files alone."""

import csv
import io
import json
import statistics

import pytest
from rich.console import Console

from experiments import cli, compare
from experiments.runs import directory as runs
from lightning_gans.core.errors import UserError


@pytest.fixture
def make(tmp_path):
    """make(name, fid=(best, last), ...) writes a run below tmp_path/runs."""
    root = tmp_path / "runs"

    def make(group, seed, fid=None, *, status="finished", data="digits", parent="", **settings):
        folder = root / parent / f"{group}-{seed}"
        folder.mkdir(parents=True)
        config = {
            "seed": seed,
            "iterations": 100,
            "run_dir": str(folder),
            "variant": {"group": group, "training": {"seed": seed}},
            "names": {"variant": group.removesuffix("-digits"), "data": data, "run": folder.name, "group": group},
            **settings,
        }
        metrics = {"fid_classifier": {"best": fid[0], "last": fid[1], "best_iteration": 50}} if fid else {}
        if fid:
            metrics["is_classifier"] = {"best": 100 - fid[0], "last": 90 - fid[0], "best_iteration": 50}
        summary = {"status": status, "iterations": 100, "images_per_second": 1000.0 + seed, "metrics": metrics}
        if fid:
            summary["evaluation"] = {
                "extractor": "classifier(digits)",
                "samples": 360,
                "reference": "train (1078 samples)",
                "floor": {"fid_classifier": 3.21},
            }
        (folder / runs.CONFIG).write_text(runs.config_text(config))
        (folder / runs.SUMMARY).write_text(json.dumps(summary))
        return folder

    make.root = root
    return make


def table(*argv, width=200):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    assert compare.main([str(argument) for argument in argv], console) == 0
    return console.file.getvalue()


def row(text, label):
    """The words of the first line of a row, which is named by its variant where that differs from the others'."""
    (line,) = [line for line in text.splitlines() if line.split()[:1] in ([label], [f"variant={label}"])]
    return line.split()


def lines_of(text):
    """The text as one line, wherever the terminal broke it."""
    return " ".join(text.split())


def test_a_metric_of_ones_own_is_ranked_by_the_direction_in_its_summary(make):
    for group, value in (("dcgan-digits", 1.0), ("acgan-digits", 2.0)):
        folder = make(group, 0)
        summary = json.loads((folder / runs.SUMMARY).read_text())
        summary["metrics"]["mine"] = {"best": value, "last": value, "best_iteration": 50, "better": "higher"}
        summary["metrics"]["odd"] = {"best": value, "last": value, "best_iteration": 50, "better": ["<b>"]}
        (folder / runs.SUMMARY).write_text(json.dumps(summary))
    text = table(make.root)
    assert "mine ↑" in text
    assert "odd ↑" not in text
    assert row(text, "acgan")[-4:] == ["2*", "2*", "2", "2"]
    assert text.index("variant=acgan") < text.index("variant=dcgan")


def test_seeds_are_aggregated(make, tmp_path):
    best, last = [12.0, 10.0, 17.0], [13.0, 14.0, 18.0]
    for seed, fid in enumerate(zip(best, last, strict=True)):
        make("dcgan-digits", seed, fid)
    file = tmp_path / "rows.json"
    text = table(make.root, "--json", file)
    assert row(text, "dcgan-digits")[:5] == ["dcgan-digits", "3", "1,001", "12", "14"]
    assert "13.0 ± 3.6" in text  # mean and sample deviation
    (found,) = json.loads(file.read_text())["rows"]
    assert found["metrics"]["fid_classifier"]["best"] == {
        "n": 3,
        "median": 12.0,
        "mean": 13.0,
        "std": pytest.approx(statistics.stdev(best)),
        "error": pytest.approx(statistics.stdev(best) / 3**0.5),
    }
    assert found["metrics"]["fid_classifier"]["direction"] == "min"
    assert found["seeds"] == [0, 1, 2]


def test_the_best_of_a_column_is_marked_in_its_direction(make):
    make("good", 0, (10.0, 30.0))
    make("bad", 0, (20.0, 25.0))
    text = table(make.root)
    # fid best, fid last, is best, is last
    assert row(text, "good")[3:] == ["10*", "30", "90*", "80*"]
    assert row(text, "bad")[3:] == ["20", "25*", "80", "70"]
    assert text.index("good") < text.index("bad")


def test_only_figures_of_one_kind_are_compared(make):
    make("a", 0, (10.0, 10.0))
    make("b", 0, (20.0, 20.0), data="mnist")
    text = table(make.root)
    assert "*" not in text
    real = "held-out real data score fid_classifier 3.21"
    assert f"digits: classifier(digits), 360 samples against train (1078 samples); {real}" in text


def test_configurations_of_one_name_are_told_apart(make):
    make("dcgan-digits", 0, (10.0, 10.0))
    make("dcgan-digits", 1, (11.0, 11.0))
    make("dcgan-digits", 2, (12.0, 12.0), parent="longer", iterations=999)
    text = table(make.root)
    assert row(text, "iterations=100")[1] == "2"
    assert row(text, "iterations=999")[1] == "1"
    file = make.root / "rows.json"
    table(make.root, "--json", file)
    labels = {row["configuration"] for row in json.loads(file.read_text())["rows"]}
    assert labels == {"dcgan-digits (iterations=100)", "dcgan-digits (iterations=999)"}


def test_a_row_a_run(make):
    make("dcgan-digits", 0, (10.0, 10.0))
    make("dcgan-digits", 1, (11.0, 11.0))
    text = table(make.root, "--runs")
    assert row(text, "dcgan-digits-0")[2:4] == ["10*", "10*"]
    assert row(text, "dcgan-digits-1")[2:4] == ["11", "11"]


def test_what_is_not_finished_or_not_whole_is_named(make):
    make("done", 0, (10.0, 10.0))
    going = make("dcgan", 0, status="running")
    gone = make("gone", 0, (30.0, 30.0), status="diverged")
    (make.root / "empty").mkdir()
    (make.root / "broken").mkdir()
    (make.root / "broken" / runs.SUMMARY).write_text("{")
    (make.root / "young").mkdir()
    (make.root / "young" / runs.CONFIG).write_text("seed: 1")
    (make.root / "notes.txt").touch()
    text = table(make.root)
    assert f"Failed: {going} killed at iteration 100" in text
    assert f"Failed: {gone} diverged at iteration 100" in text
    assert f"{make.root / 'empty'} is empty; left out" in text
    assert f"{make.root / 'broken'} is broken" in text
    assert f"{make.root / 'young'} has not come to its first evaluation" in text
    assert row(text, "dcgan")[4:] == ["-", "-", "-", "-"]


@pytest.mark.parametrize("content", [b"", b'{"status": "fini', b"\x00" * 50, b"\xff\xfe", b"null"])
def test_a_damaged_summary_is_said_in_a_line(make, content):
    make("done", 0, (10.0, 10.0))
    (make("dcgan", 0) / runs.SUMMARY).write_bytes(content)
    text = table(make.root, width=400)
    assert row(text, "done")[1] == "1"
    (line,) = [line for line in text.splitlines() if "left out" in line]
    assert f"{make.root / 'dcgan-0'} is broken" in line


def test_a_lock_is_nothing_that_a_directory_holds(make):
    make("done", 0, (10.0, 10.0))
    for name in ("beginning", "done-0"):
        (make.root / name).mkdir(exist_ok=True)
        (make.root / name / runs.LOCK).touch()
    text = table(make.root)
    assert row(text, "done")[1] == "1"
    assert f"{make.root / 'beginning'} is empty" in text


def test_a_run_without_figures_yet_belongs_to_its_configuration(make):
    make("dcgan-digits", 0, (10.0, 10.0))
    make("dcgan-digits", 1, status="stopped")
    text = table(make.root)
    assert "1 configuration, 2 runs: 1 finished, 1 stopped." in text
    assert row(text, "dcgan-digits")[1:4] == ["1/2", "1", "finished"]


def test_runs_are_found_once_wherever_they_are_named(make):
    first = make("a", 0, (10.0, 10.0), parent="x/y")
    (make.root / "link").symlink_to(first)
    assert row(table(make.root, first, make.root / "link"), "a")[:2] == ["a", "1"]


def test_one_metric_alone(make):
    make("a", 0, (10.0, 10.0))
    text = table(make.root, "--metric", "is_classifier")
    assert "classifier ↑" in text
    assert "classifier ↓" not in text
    with pytest.raises(UserError, match=r"no run here has measured it\. They have fid_classifier, is_"):
        table(make.root, "--metric", "kid_classifier")
    with pytest.raises(UserError, match=r"Did you mean fid"):
        table(make.root, "--metric", "fdi")


def test_a_narrow_terminal_says_what_it_leaves_out(make):
    make("a", 0, (10.0, 10.0))
    text = table(make.root, width=50)
    assert "want of room: images/s; last values of fid_classifier, is_classifier." in lines_of(text)
    assert max(map(len, text.splitlines())) <= 50
    text = table(make.root, width=30)
    assert "want of room: images/s; last value of fid_classifier; is_classifier." in lines_of(text)


def test_csv(make, tmp_path):
    make("a", 0, (10.0, 12.0))
    make("a", 1, (20.0, 22.0))
    make("b", 0)
    file = tmp_path / "rows.csv"
    table(make.root, "--csv", file)
    first, second = csv.DictReader(file.open())
    assert (first["configuration"], first["n"], first["seeds"]) == ("a", "2", "0 1")
    assert (
        float(first["fid_classifier_best_median"]),
        float(first["fid_classifier_last_mean"]),
        first["is_classifier_best_n"],
    ) == (15.0, 17.0, "2")
    assert (second["configuration"], second["fid_classifier_best_median"]) == ("b", "")


@pytest.mark.parametrize(
    "argv, said",
    [
        (["nowhere"], "nowhere is not there"),
        (["empty"], "There is no run to compare in empty"),
        (["file"], "file is a file"),
        (["--metrik", "fid"], "Unrecognized arguments: --metrik"),
        ([], "runs is not there"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(argv, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert cli.run(lambda: compare.main(argv)) == 2
    text = capsys.readouterr().err
    assert said in text
    assert text.count("\n") == 1


def test_what_differs_from_the_best_by_noise_is_marked(make):
    for name, value, error in (("best", 10.0, 1.0), ("near", 12.0, 1.0), ("far", 20.0, 1.0), ("unknown", 11.0, None)):
        folder = make(name, 0, (value, value))
        summary = json.loads((folder / runs.SUMMARY).read_text())
        summary["metrics"]["fid_classifier"] |= {} if error is None else {"best_se": error, "last_se": error}
        (folder / runs.SUMMARY).write_text(json.dumps(summary))
    text = table(make.root, "--metric", "fid_classifier")
    assert {name: row(text, name)[-1] for name in ("best", "near", "far", "unknown")} == {
        "best": "1.0",  # 10.0* ± 1.0
        "near": "1.0",
        "far": "1.0",
        "unknown": "11",
    }
    assert [word for word in text.split() if word[0] in "12" and word[-1] in "*~"] == [
        "10.0*",
        "10.0*",
        "12.0~",
        "12.0~",
    ]
    assert "~ differs from the best by less than two standard errors" in text


def test_runs_of_an_earlier_version_are_compared_by_present_names(make):
    folder = make("old", 0, (10.0, 11.0))
    text = (folder / runs.SUMMARY).read_text().replace("fid_classifier", "fid").replace("is_classifier", "is")
    (folder / runs.SUMMARY).write_text(text)
    make("new", 0, (12.0, 13.0))
    text = table(make.root, "--metric", "fid_classifier")
    assert (row(text, "old")[-1], row(text, "new")[-1]) == ("11*", "13")
