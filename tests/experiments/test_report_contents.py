"""Contents of a report: curves of damaged tables, confidence intervals, escaping, bounds."""

import html
import json
import os
import re
import subprocess
import sys
import time
from base64 import b64encode
from hashlib import sha256

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from experiments import compare
from experiments.report import contents as module
from experiments.report import curves, samples
from experiments.report.contents import contents
from experiments.report.intervals import interval
from experiments.report.of_run import leave
from experiments.report.page import UPLOT, embedded, page
from experiments.runs import directory as runs
from experiments.trained.comparison import Stats, find
from tests.helpers.run_folders import FID, make_run

EVIL = "<script>alert(1)</script>"


def read(tmp_path, text):
    path = tmp_path / "losses.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return curves.read(path)


def page_of(root):
    return page(find([root])[0])


def data_of(text):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])


# Curves


def test_curves_of_a_table(tmp_path):
    found = read(tmp_path, "iteration,images,seconds,D/loss\n1,10,0.5,2\n2,20,0.9,nan\n3,30,1.2,1.5\n")
    assert found.axes == {"iteration": [1, 2, 3], "images": [10, 20, 30], "seconds": [0.5, 0.9, 1.2]}
    assert found.columns == {"D/loss": [2, None, 1.5]}
    assert found.not_finite == ("D/loss",)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0\0\0\0",
        b"\xff\xfe\x00,garbage\n1,2\n",
        b"no,such,column\n1,2,3\n",
        b"iteration,D/loss\n",
        b"iteration,D/loss",
        b'iteration,"D/loss\n1,2',
        b"iteration,D/loss\nx,y\n-1,2\n1,2,3\n1\n",
        b"iteration,D/loss\n" + b"1," + b"9" * 200_000 + b"\n",
    ],
)
def test_a_damaged_table_has_no_curves_and_is_no_error(tmp_path, text):
    found = read(tmp_path, text)
    assert len(found) <= 1
    assert found.columns == {}


def test_whole_rows_of_a_damaged_table_are_kept(tmp_path):
    found = read(tmp_path, b"iteration,D/loss,G/loss\n1,2,3\n\0\0\xff,,\n2,3\n3,1,\n3,1,7\n2,4,5\n4,5")
    assert found.axes["iteration"] == [1, 2, 3]
    assert found.columns == {"D/loss": [2, 4, 1], "G/loss": [3, 5, 7]}


def test_an_axis_never_falls(tmp_path):
    found = read(tmp_path, "iteration,images,seconds,x\n1,10,5,1\n2,5,6,1\n3,30,nan,1\n4,40,5.5,1\n")
    assert found.axes["images"] == [10, None, 30, 40]
    assert found.axes["seconds"] == [5, 6, None, None]


def test_no_file_a_folder_and_a_pipe_have_no_curves(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("nothing", "folder", "pipe"):
        assert len(curves.read(tmp_path / name)) == 0


def test_thinning_keeps_ends_and_outliers(tmp_path):
    lines = [f"{k},{1000 if k == 777 else np.sin(k / 300):.4g}" for k in range(5000)]
    found = read(tmp_path, "\n".join(["iteration,x", *lines, ""]))
    thin = found.thinned(100)
    assert len(thin) <= 100
    assert thin.axes["iteration"][0] == 0
    assert thin.axes["iteration"][-1] == 4999
    assert max(thin.columns["x"]) == 1000
    assert thin.axes["iteration"] == sorted(thin.axes["iteration"])


def test_a_long_table_is_read_in_a_second(tmp_path):
    row = ",".join(["0.1234567"] * 12)
    text = "\n".join(["iteration," + ",".join(f"c{k}" for k in range(12)), *(f"{k},{row}" for k in range(200_000)), ""])
    start = time.perf_counter()
    found = read(tmp_path, text)
    assert time.perf_counter() - start < 3
    assert found.rows == 200_000
    assert found.axes["iteration"][-1] == 199_999


def test_losses_of_players_are_what_stands_before_their_gradient_norms():
    names = ["D/accuracy", "D/real", "D/fake", "D/loss", "D/gradient_norm", "G/adversarial", "G/gradient_norm", "G/lr"]
    assert curves.players_of(names) == {
        "D": ("D/loss", "D/gradient_norm"),
        "G": ("G/adversarial", "G/gradient_norm"),
    }


def test_metrics_of_an_earlier_version_have_their_present_names(tmp_path):
    run = make_run(tmp_path, "a", 0)
    (run / "metrics.csv").write_text("iteration,fid,test_accuracy\n1,2,3\n")
    (found,) = find([run])[0]
    assert curves.metrics_of(found).columns == {FID: [2], "accuracy": [3]}


# Intervals


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_intervals_over_seeds_are_scipys(n):
    values = list(np.random.default_rng(n).normal(3, 2, n))
    found = interval(Stats.of(values))
    low, high = scipy.stats.t.interval(0.95, n - 1, loc=np.mean(values), scale=scipy.stats.sem(values))
    assert found.over == "seeds"
    assert found.half == pytest.approx((high - low) / 2)


def test_the_interval_of_one_seed_is_of_its_samples():
    found = interval(Stats.of([3.0], [0.5]))
    assert (found.over, found.half) == ("samples", pytest.approx(0.98))
    assert interval(Stats.of([3.0], [None])) is None


# Boards


def test_boards_hold_what_can_be_compared_best_first(tmp_path):
    make_run(tmp_path, "bad", 0, fid=30)
    for seed, fid in enumerate((9, 11, 10)):
        make_run(tmp_path, "good", seed, fid=fid)
    make_run(tmp_path, "other", 0, fid=1, data="ring")
    make_run(tmp_path, "none", 0, summary={"metrics": {}, "evaluation": None})
    found = contents(find([tmp_path])[0])
    assert [(board.data, [line.label for line in board.lines]) for board in found.boards] == [
        ("digits", ["good", "bad"]),
        ("ring", ["other"]),
        ("digits", ["none"]),
    ]
    good, bad = (line.cells[FID]["best"] for line in found.boards[0].lines)
    assert (good.mean, good.n, good.best, good.interval.over) == (10, 3, True, "seeds")
    assert (bad.mean, bad.n, bad.best, bad.interval.over) == (30, 1, False, "samples")
    assert found.boards[0].floors == {FID: "1.25"}
    assert not found.boards[1].lines[0].cells[FID]["best"].best, "the only one is not the best of anything"


def test_settings_that_differ_and_only_those(tmp_path):
    make_run(tmp_path, "a", 0, config={"lr": 0.1, "same": 1, "net": {"_target_": "some.long.path.module.Name"}})
    make_run(tmp_path, "b", 0, config={"lr": 0.2, "same": 1, "extra": [1, 2]})
    settings = contents(find([tmp_path])[0]).data["settings"]
    told = {
        key: [settings["values"][value] for value in row]
        for key, row in zip(settings["keys"], settings["rows"], strict=True)
    }
    assert told == {
        "variant.group": ["a", "b"],
        "lr": ["0.1", "0.2"],
        "net._target_": ["module.Name", "–"],
        "extra": ["–", "[1, 2]"],
    }


def test_a_setting_that_the_variant_was_given_is_told_once(tmp_path):
    for lr in (1, 2):
        players = {name: {"optimizer": {"lr": lr}} for name in "DG"}
        variant = {"model": {"width": lr}, "loss": {"margin": lr}, "training": {"players": players}}
        config = {"network": {"model": {"width": lr}}, "objective": {"margin": lr}, "variant": variant}
        make_run(tmp_path, f"r{lr}", 0, config=config)
    assert contents(find([tmp_path])[0]).data["settings"]["keys"] == [
        "variant.training.players.D.optimizer.lr",
        "variant.training.players.G.optimizer.lr",
        "network.model.width",
        "objective.margin",
    ]


def test_warnings_are_those_of_the_summary_and_a_divergence(tmp_path):
    said = [{"iteration": 1500, "text": f"the samples cover 3 of 10 classes {EVIL}"}, "nonsense", {"text": 5}]
    make_run(tmp_path, "a", 0, status="diverged", summary={"warnings": said})
    (line,) = contents(find([tmp_path])[0]).boards[0].lines
    assert line.runs[0].warnings == (
        "Iteration 2,000: diverged: a loss or gradient became NaN or infinite.",
        f"Iteration 1,500: the samples cover 3 of 10 classes {EVIL}",
    )
    assert html.escape(said[0]["text"]) in page_of(tmp_path)


@pytest.mark.parametrize("damage", ["losses.csv", "metrics.csv", "samples", "command.txt", "all"])
def test_files_may_be_missing_or_damaged(tmp_path, damage):
    run = make_run(tmp_path, "a", 0)
    for name in ("losses.csv", "metrics.csv", "command.txt"):
        if damage in (name, "all"):
            (run / name).write_bytes(b"\0\xff\n,,\n")
    for path in (run / "samples").iterdir() if damage in ("samples", "all") else ():
        path.write_bytes(path.read_bytes()[:40])
    (run / "samples" / "iteration-x.png").write_text("no picture")
    assert "<h1>Runs compared</h1>" in page_of(tmp_path)
    leave(run)
    assert (run / "report.html").is_file()
    assert (run / "curves.png").is_file() == (damage != "all")


# Escaping


def test_embedded_json_cannot_leave_its_element():
    data = {"a": f"</script>{EVIL}<!--&\u2028\u2029"}
    text = embedded(data)
    assert not re.search("[<>&\u2028\u2029]", text)
    assert json.loads(text) == data


def test_text_of_a_run_is_text(tmp_path):
    make_run(
        tmp_path,
        EVIL,
        0,
        data=EVIL,
        status=EVIL,
        config={EVIL: EVIL, "seed": EVIL, "x": "\u202e\x1b[31m"},
        summary={"metrics": {EVIL: {"best": 1, "last": 2, "better": "lower"}}, "headline": EVIL},
    )
    run = make_run(tmp_path, "{{ 7 * 7 }}", 0)
    for name in ("losses.csv", "command.txt"):
        (run / name).write_text((run / name).read_text().replace("D/real", EVIL).replace("vanilla", f'"{EVIL}'))
    text = page_of(tmp_path)
    assert EVIL not in text
    assert html.escape(EVIL.replace("/", "_")) in text
    assert "{{ 7 * 7 }}" in text
    assert not re.search("[\x1b\u202e]", text)
    assert text.count("<script") == 3


def test_the_policy_allows_the_scripts_of_the_page_alone(tmp_path):
    make_run(tmp_path, "a", 0)
    text = page_of(tmp_path)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    scripts = re.findall(r"<script(?: type=\"module\")?>(.*?)</script>", text, re.S)
    hashes = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts]
    assert f"script-src {' '.join(hashes)};" in policy
    assert policy.startswith("default-src 'none';")
    assert not re.search(r"""(?:src|href)=["'](?!#)|url\(|@import""", text.replace("data:", ""))


def test_the_charting_library_is_named_with_its_licence(tmp_path):
    make_run(tmp_path, "a", 0)
    text = page_of(tmp_path)
    assert f"uPlot (v{UPLOT})" in text
    assert f"uPlot {UPLOT}, MIT licence" in text
    assert "Permission is hereby granted" in text


# Bounds


def test_grids_are_few_and_small(tmp_path):
    run = make_run(tmp_path, "a", 0, grids=30, side=900)
    found, count = samples.frames(run)
    assert count == 30
    assert [frame.iteration for frame in found][:: samples.MOST_FRAMES - 1] == [100, 3000]
    assert len(found) == samples.MOST_FRAMES
    assert all(frame.image.startswith("data:image/webp;base64,") for frame in found)
    told = contents(find([tmp_path])[0])
    assert "8 grids of samples each are shown" in " ".join(told.notes)


def test_a_picture_that_would_fill_the_memory_is_left_out(tmp_path):
    run = make_run(tmp_path, "a", 0, grids=0)
    Image.new("1", (20_000, 20_000)).save(run / "samples" / "iteration-00000001.png")
    assert samples.frames(run) == ([], 1)


def test_what_is_left_out_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_SAMPLED", 1)
    monkeypatch.setattr(module, "ROWS", (10, 10))
    monkeypatch.setattr(module, "MOST_KEYS", 1)
    for k in range(3):
        make_run(tmp_path, f"r{k}", 0, fid=k + 1, config={"lr": k, "width": k})
    told = contents(find([tmp_path])[0])
    text = " ".join(told.notes)
    assert "Grids of 2 runs are left out" in text
    assert "at most 10 rows" in text
    assert "2 settings that differ are left out" in text
    assert all(len(run["losses"]["axes"]["iteration"]) <= 10 for run in told.data["runs"])


# Commands


def test_compare_writes_the_page_and_its_table(tmp_path, capsys):
    make_run(tmp_path / "runs", "a", 0)
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / runs.CONFIG).write_text("[")
    file = tmp_path / "report.html"
    assert compare.main([str(tmp_path / "runs"), "--html", str(file)]) == 0
    text = file.read_text()
    assert "broken is broken" in text
    assert data_of(text)["runs"][0]["name"] == "a-0"
    said = capsys.readouterr().out
    assert "fid" in said
    assert said.endswith(f"report  {file}\n")


def test_no_torch(tmp_path):
    run = make_run(tmp_path, "a", 0)
    code = (
        "import sys; from pathlib import Path; from experiments import compare;"
        "from experiments.report.of_run import leave;"
        f"compare.main([{str(tmp_path)!r}, '--html', {str(tmp_path / 'r.html')!r}]); leave(Path({str(run)!r}));"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_what_a_run_leaves_fails_in_one_line(tmp_path, caplog):
    leave(tmp_path / "nothing")
    (record,) = caplog.records
    assert "report.html" in record.message
    assert "\n" not in record.message
