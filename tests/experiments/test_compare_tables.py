"""The table of runs at widths of terminals, as Markdown and as LaTeX: golden files, and the rules behind them.

After a change that is wanted: WRITE_GOLDEN=1 pytest tests/experiments/test_compare_tables.py, and read the difference.
"""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from experiments import compare
from experiments.jobs.preflight import preflight
from experiments.runs import directory as runs
from experiments.trained.comparison import find, group
from experiments.trained.labels import fitted, labels
from experiments.trained.markup import escape_latex
from experiments.trained.status import status_of
from lightning_gans.core.errors import UserError

GOLDEN = Path(__file__).parents[1] / "fixtures" / "compare"
HOLD = "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); input()"
CHOICES = {"vanilla": ("non_saturating", "none"), "bigan": ("minimax", "none"), "wgan_gp": ("wasserstein", "own")}
ODD = "<script>alert(1)</script>&_%|"
FOLDER = ODD.replace("/", "")


def write(folder, variant, data, seed, *, changed=None, objective=None, choices=None, **said):
    """A run's folder as experiments.train leaves it.

    changed: short key -> (dotted key, value) of settings that differ from the recipe. said: for summary.json.
    """
    folder.mkdir(parents=True)
    usual, penalty = CHOICES[variant]
    lr = {"vanilla": 1e-3, "bigan": 2e-4, "wgan_gp": 1e-4}[variant]
    adam = {"_target_": "torch.optim.Adam", "lr": lr, "eps": 1e-8}
    config = {
        "data": {"_target_": f"datamodules.{data.title()}", "batch_size": 64},
        "variant": {
            "_target_": f"lightning_gans.variants.{variant}",
            "training": {"players": {"G": {"optimizer": dict(adam)}, "D": {"optimizer": dict(adam)}}, "seed": seed},
            "loss": {"_target_": objective or usual},
            "depth": len(variant),
        },
        "seed": seed,
        "iterations": 1000,
        "run_dir": str(folder),
    }
    differences = {key: runs.as_token(value) for key, (_, value) in (changed or {}).items()}
    differences |= {objective: ""} if objective else {}
    for dotted, value in (changed or {}).values():
        place = config
        *above, last = dotted.split(".")
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    name = runs.group_name(variant, data, differences)
    made = {"variant": variant, "data": data, "objective": objective or usual, "penalty": penalty}
    made |= {"recipe": f"{variant}/{data}"} | (choices or {})
    config["names"] = {"variant": variant, "data": data, "group": name, "run": f"{name}-{seed}", "choices": made}
    (folder / runs.CONFIG).write_text(runs.config_text(config))
    summary = {"status": "finished", "iterations": 1000, "images_per_second": 1234.0 + 10 * seed, **said}
    (folder / runs.SUMMARY).write_text(json.dumps(summary))
    return folder


def figures(**metrics):
    """Entries of summary.json: name=(best, last, standard error or None)."""
    return {
        name: {"best": best, "last": last, **({} if error is None else {"best_se": error, "last_se": error})}
        for name, (best, last, error) in metrics.items()
    }


def on_digits(fid, label_accuracy=None):
    metrics = figures(fid_classifier=(fid, fid * 1.25, None), kid_classifier=(fid / 1000, fid / 900, None))
    metrics |= figures(is_classifier=(9 - fid / 10, 8.5 - fid / 10, None), recall=(0.9 - fid / 100, 0.8, None))
    floor = {"fid_classifier": 3.21, "fid_classifier_se": 0.12}
    about = {"extractor": "classifier(digits)", "samples": 360, "reference": "train (1078 samples)", "floor": floor}
    return {"metrics": metrics, "headline": "fid_classifier", "evaluation": about}


def on_ring(score, status="finished", **said):
    metrics = figures(modes=(8.0, 7.0, None), mode_score=(score, score * 0.9, 0.0057))
    about = {"extractor": "coordinates", "samples": 2500, "reference": "train (100000 samples)"}
    return {"metrics": metrics, "headline": "mode_score", "evaluation": about, "status": status, **said}


@pytest.fixture
def hold():
    """hold(folder): another process holds the lock of a run there until the test ends."""
    processes = []

    def hold(folder):
        command = [sys.executable, "-S", "-c", HOLD, str(folder / runs.LOCK)]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        processes[-1].stdout.readline()

    yield hold
    for process in processes:
        process.communicate(b"\n")


@pytest.fixture
def folder(tmp_path, monkeypatch, hold):
    """The runs of the golden files, in runs/: two data sets, seeds, every status, long names and odd ones."""
    monkeypatch.chdir(tmp_path)
    root = Path("runs")
    rate = "variant.training.players.G.optimizer.lr"
    for seed, fid in enumerate((12.0, 10.5, 17.25)):
        write(root / f"bigan-digits-{seed}", "bigan", "digits", seed, **on_digits(fid))
        changed = {"G.optimizer.lr": (rate, 1e-3)}
        other = root / f"wgan_gp-digits-G.optimizer.lr0.001-{seed}"
        write(other, "wgan_gp", "digits", seed, changed=changed, **on_digits(fid + 0.5 * seed))
    # five rows of one variant, some in folders that the user named
    for index, value in enumerate((1e-3, 2e-3, 3e-3)):
        changed = {"G.optimizer.lr": (rate, value)} if index else {}
        folder = root / (f"sweep/try{index}" if index else "vanilla-digits-0")
        write(folder, "vanilla", "digits", 0, changed=changed, **on_digits(20.0 + index))
    changed = {"depth": ("variant.depth", 9), "ema_half_life_in_thousands_of_images": ("variant.ema", 12.5)}
    write(root / "long", "vanilla", "digits", 0, changed=changed, objective="relativistic_average", **on_digits(30.0))
    write(root / FOLDER, "vanilla", "digits", 0, changed={"note": ("variant.note", ODD)}, **on_digits(31.0))
    write(root / "vanilla-ring-0", "vanilla", "ring", 0, **on_ring(0.5))
    write(root / "vanilla-ring-1", "vanilla", "ring", 1, **on_ring(0.625, "diverged", iterations=480))
    write(root / "bigan-ring-0", "bigan", "ring", 0, **on_ring(0.75, "stopped", iterations=700))
    write(root / "bigan-ring-1", "bigan", "ring", 1, **on_ring(0.78, "running", iterations=650))
    (root / "bigan-ring-1" / runs.LOCK).write_text("process 1 on host since 2026-01-01 00:00:00")
    hold(write(root / "wgan_gp-ring-0", "wgan_gp", "ring", 0, **on_ring(0.7, "running", iterations=990)))
    hold(write(root / "wgan_gp-ring-1", "wgan_gp", "ring", 1, status="running", iterations=0))
    return root


def printed(*argv, width=None, capsys=None):
    if width is None:
        assert compare.main(["runs", *argv]) == 0
        return capsys.readouterr().out
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), width=width, color_system=None)
    assert compare.main(["runs", *argv], console) == 0
    console.file.seek(0)
    return console.file.read()


def check(name, text):
    file = GOLDEN / name
    if os.environ.get("WRITE_GOLDEN"):
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_bytes(text.encode())
    assert file.read_bytes().decode() == text


@pytest.mark.parametrize("width", [60, 80, 160])
def test_the_table_in_a_terminal(folder, width):
    text = printed(width=width)
    check(f"{width}.txt", text)
    assert max(map(len, text.splitlines())) <= width
    check(f"{width}-runs.txt", printed("--runs", width=width))


@pytest.mark.parametrize("form, name", [("--markdown", "table.md"), ("--latex", "table.tex")])
def test_the_table_as_text_for_a_page(folder, form, name, capsys):
    check(name, printed(form, capsys=capsys))


def test_markup_escapes_what_a_name_holds(folder, capsys):
    rows = [line for line in printed("--markdown", capsys=capsys).splitlines() if "script" in line]
    assert len(rows) == 1
    assert "<" not in rows[0]
    assert rows[0].replace(r"\|", "").count("|") == 12  # borders of eleven columns alone
    assert escape_latex(r"--[*]\~^<>|&%$#_{}") == (
        r"-{}-{[}{*}]\textbackslash{}\textasciitilde{}\textasciicircum{}\textless{}\textgreater{}\textbar{}"
        r"\&\%\$\#\_\{\}"
    )


def test_ascii_where_the_terminal_has_no_more(folder):
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"), width=60, color_system=None)
    assert compare.main(["runs"], console) == 0
    console.file.seek(0)
    text = console.file.read()
    assert "13.2 +- 3.5" in text
    assert max(map(len, text.splitlines())) <= 60


@pytest.mark.parametrize("width", [40, 50, 70, 100, 120, 200])
def test_no_width_cuts_a_figure_or_an_error(folder, width):
    text = printed(width=width)
    assert max(len(line) for line in text.splitlines() if FOLDER not in line) <= width
    assert "13.2 ± 3.5" in text
    assert "13.8 ± 3.9" in text
    assert "0.765 ± 0.021" in text
    assert not re.search(r"[0-9±]…", text)


def test_rows_of_one_variant_differ_by_their_settings(folder):
    found, _ = find([folder])
    rows = [row for row in group(found) if row.runs[0].data == "digits"]
    assert len({row.label for row in rows}) == len(rows) == 7
    told = labels([row.runs[0].config for row in rows])
    assert [str(setting) for setting in told.shared] == ["data=digits", "iterations=1000", "batch_size=64"]
    names = {told.names(index)[0] for index in range(len(rows))}
    # the other variant's rate, and its networks, follow from the variant; a rate of one's own is told
    assert {"variant=bigan", "variant=wgan_gp G.optimizer.lr=0.001"} <= names


def test_rows_that_differ_in_settings_that_no_name_holds(tmp_path):
    configs = []
    for index, precision in enumerate(("32-true", "16-mixed", "64-true")):
        folder = write(tmp_path / str(index), "vanilla", "ring", 0)
        configs.append({**runs.read_config(folder), "trainer": {"precision": precision, "devices": index}})
    told = labels(configs)
    assert [told.names(index)[0] for index in range(3)] == [
        "precision=32-true",
        "precision=16-mixed",
        "precision=64-true",
    ]


@pytest.mark.parametrize("width", [8, 12, 20, 30])
def test_shortened_names_fit_and_stay_apart(width):
    names = [
        "a" * 40,
        "a" * 41,
        "a" * 20 + "b" + "a" * 20,
        "x" * 30 + "1",
        "x" * 30 + "2",
        "short",
        "界" * 20,
        "界" * 21,
    ]
    found = fitted([names], width)
    assert len(set(found)) == len(names)
    assert all(cell_len(name) <= width for name in found)
    assert found[5] == "short"


def test_names_of_one_value_in_two_groups_keep_the_group(tmp_path):
    one = write(tmp_path / "a", "vanilla", "ring", 0, choices={"penalty": "dragan"})
    other = write(tmp_path / "b", "vanilla", "ring", 0, objective="dragan")
    configs = [runs.read_config(one), runs.read_config(other)]
    configs[0]["names"]["group"] = "vanilla-ring-penalty_dragan"
    told = labels(configs)
    assert told.names(0)[1] == "non_saturating penalty=dragan"
    assert told.names(1)[1] == "objective=dragan"


@pytest.mark.parametrize(
    "written, lock, said",
    [
        ("running", "held", "running"),
        ("running", "left", "killed"),
        ("running", "none", "killed"),
        ("stopped", "held", "running"),
        ("stopped", "none", "stopped"),
        ("finished", "left", "finished"),
        ("diverged", "left", "diverged"),
        ("crashed", "left", "crashed"),
        ("crashed", "held", "running"),
        ("running", "link", "running"),  # nothing tells
    ],
)
def test_the_lock_tells_whether_a_run_is_going_on(tmp_path, hold, written, lock, said):
    match lock:
        case "held":
            hold(tmp_path)
        case "left":
            (tmp_path / runs.LOCK).touch()
        case "link":
            (tmp_path / runs.LOCK).symlink_to("/dev/null")
    assert status_of(tmp_path, written) == said


def test_folders_of_images_are_configurations_of_their_own(tmp_path):
    configs = []
    for seed, root in enumerate(("cats", "dogs")):
        folder = write(tmp_path / root, "vanilla", "ring", seed)
        config = runs.read_config(folder)
        config["names"] |= {"data": "folder", "group": f"vanilla-folder-root_{root}"}
        config["data"]["root"] = root
        (folder / runs.CONFIG).write_text(runs.config_text(config))
        configs.append(config)
    found, _ = find([tmp_path])
    assert {row.runs[0].config["data"]["root"] for row in group(found)} == {"cats", "dogs"}
    assert [labels(configs).names(index)[0] for index in range(2)] == ["root=cats", "root=dogs"]


def test_a_row_says_how_many_of_its_runs_have_figures(folder):
    assert re.search(r"variant=wgan_gp +1/2 ", printed(width=160))


def test_markdown_and_latex_exclude_each_other(folder):
    with pytest.raises(UserError, match="not allowed with"):
        compare.main(["runs", "--latex", "--markdown"])


def test_a_value_that_others_follow_is_told_once():
    def config(size):
        part = {"image_size": size, "width": 8}
        return {
            "names": {"variant": "dcgan", "data": "digits", "group": f"dcgan-digits-image_size{size}"},
            "network": {"model": {"generator": part}, "discriminator": part},
            "variant": {"model": {"generator": part}, "discriminator": part},
            "data": {"image_size": size},
        }

    found = labels([config(8), config(16)])
    assert [found.names(index)[0] for index in range(2)] == ["image_size=8", "image_size=16"]


def test_rows_state_what_a_recipe_adds_to_its_variant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = (["variant=vanilla", "data=ring"], ["variant=fgan", "data=ring"], ["variant=dann"])
    found = labels([preflight(job)[0].config for job in jobs])
    assert [found.names(row)[1] for row in range(3)] == [
        "vanilla",
        "fgan r1_r2 D.clip_norm=1.0 G.clip_norm=1.0",
        "dann clip_norm=1.0",
    ]
