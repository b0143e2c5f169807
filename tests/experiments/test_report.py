import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from experiments.runs.report import duration, figure, final_table
from experiments.settings import offered
from experiments.settings.declarations import satisfies
from lightning_gans.core import protocols
from lightning_gans.models.spec import exportable

SUMMARY: dict[str, Any] = {
    "status": "finished",
    "iterations": 5000,
    "images": 320000,
    "seconds": 221.3,
    "images_per_second": 1447.3,
    "parameters": {"D": 663000, "G": 1069000},
    "metrics": {
        "fid_classifier": {"last": 12.9, "best": 12.34123, "best_iteration": 4500, "last_se": 0.4312},
        "is_classifier": {"last": 9.1, "best": 9.12345, "best_iteration": 500},
        "mine": {"last": 1.0, "best": None, "best_iteration": None},
    },
    "test": {
        "floor": {"fid_classifier": 3.3},
        "last": {"fid_classifier": 13.1, "is_classifier": 9.0},
        "best": {"fid_classifier": 12.9},
    },
    "evaluation": {
        "extractor": "classifier(digits)",
        "samples": 360,
        "reference": "train (1078 samples)",
        "floor": {"fid_classifier": 3.21},
    },
}


def test_the_best_says_how_many_labels_chose_it(run_dir: Path) -> None:
    said = "best: chosen by the accuracy on 1,080 labelled validation samples"
    for headline, labels, expected in (("accuracy", 1080, True), ("fid", 1080, False), ("accuracy", None, False)):
        about = {"labels": labels} if labels else {}
        summary = SUMMARY | {"headline": headline, "evaluation": about}
        (run_dir / "summary.json").write_text(json.dumps(summary))
        assert (said in printed(run_dir)) == expected


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's directory as one sees it from where one types."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "dcgan-digits-0"
    for file in (
        "samples/iteration-00000500.png",
        "samples/iteration-00005000.png",
        "samples/progress.gif",
        "checkpoints/last.ckpt",
        "generator/model.yaml",
        "wandb/offline-run-1/x.wandb",
    ):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    return folder


def printed(run_dir: Path, width: int = 80, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    final_table(run_dir, Console(file=file, width=width))
    file.flush()
    return file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def test_everything_is_there_within_eighty_columns(run_dir: Path) -> None:
    text = printed(run_dir)
    lines = [line.rstrip() for line in text.splitlines()]
    assert max(map(len, lines)) <= 80
    table = {line.split()[0]: line.split() for line in lines if line}
    assert table["fid_classifier"] == ["fid_classifier", "↓", *"12.34 4,500 12.9 0.43 3.21 12.9 13.1".split()]
    assert table["is_classifier"] == ["is_classifier", "↑", "9.123", "500", "9.1", "9"]
    assert table["mine"] == ["mine", "1"]
    for wanted in (
        "dcgan-digits-0: finished",
        "5,000 iterations  320,000 images  3 min 41 s  1,447 images/s",
        "features: classifier(digits); 360 samples against train (1078 samples)",
        "runs/dcgan-digits-0/samples/iteration-00005000.png",
        "runs/dcgan-digits-0/samples/progress.gif",
        "runs/dcgan-digits-0/checkpoints/ (last.ckpt)",
        "  python -m experiments.sample run=runs/dcgan-digits-0 n=64 grid=samples.png",
        "  python -m experiments.compare runs/",
        "  wandb sync runs/dcgan-digits-0/wandb",
    ):
        assert any(line.endswith(wanted) for line in lines), wanted
    assert "\x1b" not in text


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_no_figure_is_cut_short_where_space_is(encoding: str, run_dir: Path) -> None:
    text = printed(run_dir, width=30, encoding=encoding)
    for value in ("12.34", "4,500", "9.123", "13.1", "3.21"):
        assert value in text
    assert "…" not in text


@pytest.mark.parametrize("status", ["running", "stopped", "diverged", "of another kind"])
def test_every_status_is_said(status: str, run_dir: Path) -> None:
    (run_dir / "summary.json").write_text(json.dumps({**SUMMARY, "status": status}))
    assert f"dcgan-digits-0: {status}" in printed(run_dir)


@pytest.mark.parametrize("key", [None, *SUMMARY])
def test_keys_may_be_missing(key: str | None, run_dir: Path) -> None:
    kept = {} if key is None else {name: value for name, value in SUMMARY.items() if name != key}
    (run_dir / "summary.json").write_text(json.dumps(kept))
    assert "experiments.compare" in printed(run_dir)


def test_facts_may_lie_under_fid_with_a_single_floor(run_dir: Path) -> None:
    facts = {"extractor": "inception", "samples": 10_000, "reference": None, "floor": 1.5}
    (run_dir / "summary.json").write_text(json.dumps({"metrics": {"fid": {"last": 12.9, "best": 12.3}}, "fid": facts}))
    text = printed(run_dir)
    assert "features: inception; 10,000 samples\n" in text
    assert "1.5" in text


@pytest.mark.parametrize("content", [None, "", "{", "[1"])
def test_without_a_summary_one_line_says_so(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "summary.json").write_text(content)
    assert "no summary of a run" in printed(tmp_path)


def test_commands_can_be_pasted_whatever_the_directory_is_called(run_dir: Path) -> None:
    odd = run_dir.rename(run_dir.parent / "a [bold]run of mine")
    text = printed(odd)
    assert "'run=runs/a [bold]run of mine' n=64" in text
    assert "wandb sync 'runs/a [bold]run of mine/wandb'" in text


def test_an_online_run_is_linked_and_needs_no_upload(run_dir: Path) -> None:
    (run_dir / "wandb" / "url.txt").write_text("https://wandb.ai/me/p/runs/x\n")
    (run_dir / "wandb" / "offline-run-1" / "x.wandb").unlink()
    (run_dir / "wandb" / "offline-run-1").rmdir()
    text = printed(run_dir)
    assert "https://wandb.ai/me/p/runs/x" in text
    assert "wandb sync" not in text


def test_what_an_encoder_leaves_is_named(run_dir: Path) -> None:
    for name in ("reconstructions-00000500.png", "reconstructions-00005000.png", "traversal.png"):
        (run_dir / "samples" / name).touch()
    text = printed(run_dir)
    assert "last pairs     runs/dcgan-digits-0/samples/reconstructions-00005000.png" in text
    assert "traversal      runs/dcgan-digits-0/samples/traversal.png" in text


MODELS = {
    "generative.GenerativeModel": "sample from it",
    "triple.TripleModel": "sample from it",
    "energy.EnergyModel": "sample from it",
    "translation.TranslationModel": "translate with it",
    "domain.DomainModel": "classify images with it",
    "retrieval.RankingModel": "rank documents with it",
    "converting.ConvertingModel": "convert recordings with it",
}


@pytest.mark.parametrize("model", MODELS)
def test_the_next_command_is_one_that_the_model_has(model: str, run_dir: Path) -> None:
    description = {"model": {"_target_": f"lightning_gans.models.{model}"}}
    (run_dir / "generator" / "model.yaml").write_text(yaml.safe_dump(description))
    (run_dir / "config.yaml").write_text(yaml.safe_dump({"metrics": None}))
    text = printed(run_dir)
    assert f"To {MODELS[model]}, compare runs" in text
    assert ("experiments.sample" in text) == (MODELS[model] != "measure it again")
    assert ("experiments.evaluate run=runs/dcgan-digits-0 metrics=own" in text) == (MODELS[model] == "measure it again")


def test_a_model_with_an_encoder_reconstructs_images(run_dir: Path) -> None:
    description = {"model": {"_target_": "lightning_gans.models.variational.VariationalModel"}}
    (run_dir / "generator" / "model.yaml").write_text(yaml.safe_dump(description))
    assert "reconstruct=" not in printed(run_dir)
    (run_dir / "samples" / "reconstructions-00005000.png").touch()
    assert "run=runs/dcgan-digits-0 reconstruct=FOLDER grid=pairs.png" in printed(run_dir)


def test_a_model_of_an_unknown_class_is_taken_for_one_that_samples(run_dir: Path) -> None:
    (run_dir / "generator" / "model.yaml").write_text("model: {_target_: nowhere.Model}")
    assert "To sample from it, compare runs" in printed(run_dir)


@pytest.mark.parametrize("protocol", [protocols.Samples, protocols.Reconstructs, protocols.Converts, protocols.Ranks])
def test_abilities_read_in_the_source_are_those_of_the_classes(protocol: type) -> None:
    for model in filter(None, map(offered.model_class, offered.files("network"))):
        found = satisfies(model, f"{protocols.__name__}.{protocol.__name__}")
        assert found == issubclass(exportable()[model], protocol), model


@pytest.mark.parametrize(
    ("names", "shown"), [(["accuracy", "test_accuracy"], ["accuracy"]), (["test_accuracy"], ["accuracy"])]
)
def test_a_metric_is_told_once_by_its_present_name(names: list[str], shown: list[str], run_dir: Path) -> None:
    metrics = {name: {"last": 0.5, "best": 0.75, "best_iteration": 1, "better": "higher"} for name in names}
    (run_dir / "summary.json").write_text(json.dumps({**SUMMARY, "metrics": metrics}))
    rows = [line.split()[0] for line in printed(run_dir).splitlines() if "accuracy" in line]
    assert rows == shown


def test_numbers_and_durations() -> None:
    assert [figure(v) for v in (None, 3, 12345.6, 0.0123456, 8e9)] == ["", "3", "12,346", "0.01235", "8e+09"]
    assert [duration(s) for s in (44.6, 221, 7500)] == ["45 s", "3 min 41 s", "2 h 05 min"]


def test_no_torch() -> None:
    code = "import experiments.runs.report, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("content", [b"", b"[1]", b"null", b"\xff\xfe\x00", b'{"status": "fin'])
def test_a_damaged_summary_is_said_in_a_line(run_dir: Path, content: bytes) -> None:
    (run_dir / "summary.json").write_bytes(content)
    assert "holds no summary of a run" in printed(run_dir)


def test_a_damaged_address_is_no_error(run_dir: Path) -> None:
    (run_dir / "wandb" / "url.txt").write_bytes(b"https://\xff")
    assert "W&B" in printed(run_dir)


@pytest.mark.parametrize(
    ("count", "said"), [(360, "360 held-out real samples"), (180, "fewer than the generated ones")]
)
def test_a_floor_of_fewer_samples_is_said(count: int, said: str, run_dir: Path) -> None:
    about = {**SUMMARY["evaluation"], "floor_samples": count}
    (run_dir / "summary.json").write_text(json.dumps({**SUMMARY, "evaluation": about}))
    (line,) = [line for line in printed(run_dir).splitlines() if line.startswith(" floor:")]
    assert said in line
    assert ("fewer" in line) == (count < 360)


def test_a_metric_of_the_test_split_alone_has_a_row(run_dir: Path) -> None:
    test = {"last": {**SUMMARY["test"]["last"], "memorised": 0.25, "memorised_se": 0.01}}
    (run_dir / "summary.json").write_text(json.dumps({**SUMMARY, "test": test}))
    rows = [line.split() for line in printed(run_dir).splitlines() if "memorised" in line]
    assert rows == [["memorised", "↓", "0.25"]]
