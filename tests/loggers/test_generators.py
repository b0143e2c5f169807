"""Exported generators and alerts in W&B's offline files."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.callbacks.training_log import TrainingLog
from lightning_gans.core.errors import Diverged
from lightning_gans.loggers.generators import Export, artifact_name, keep, kept
from lightning_gans.loggers.wandb import WandbLogger
from tests.helpers.offline_runs import read_offline_run
from tests.helpers.tiny import fit, tiny_game

NAMES = {"variant": "vanilla", "data": "ring", "run": "vanilla-ring-0", "group": "vanilla-ring"}
CONFIG = {
    "variant": {"loss": None},
    "names": NAMES,
    "seed": 3,
    "command": "python -m experiments.train",
    "commit": "abc",
}
FACTS = {
    "images": 64,
    "metrics": {"fid": float("nan")},
    "evaluation": {"extractor": "classifier(digits)", "samples": 9},
}


def export(folder: Path, content: str) -> Path:
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    (folder / "weights.safetensors").write_text(content)
    (folder / "README.md").write_text("# Model card")
    (folder / "pictures" / "grid.png").write_bytes(b"\x89PNG")
    return folder


def logged(run_dir: Path, sittings: list[list[tuple[int, str]]], **settings: Any) -> None:
    """Sittings of a run: iterations at which generator/ was written, and the aliases of each."""
    for sitting in sittings:
        logger = WandbLogger(run_dir=run_dir, **settings)
        logger.log_hyperparams(CONFIG)
        logger.log_metrics({"a": 1.0}, step=sitting[0][0])
        for iteration, aliases in sitting:
            logger.log_generator(export(run_dir / "generator", str(iteration)), iteration, aliases.split(), FACTS)
        logger.finalize("success")


def stored(artifact: dict[str, Any]) -> dict[str, str]:
    """Path in the artifact -> content of the file that W&B will upload; each has the recorded digest."""
    found = {}
    for entry in artifact["manifest"]["contents"]:
        data = Path(entry["local_path"]).read_bytes()
        assert base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode() == entry["digest"]
        found[entry["path"]] = data.decode(errors="replace")
    return found


def test_the_best_and_the_latest_are_artifacts_with_all_their_files(tmp_path: Path) -> None:
    sittings = [[(2, "latest best"), (4, "latest")], [(6, "latest")], [(8, "latest best")]]
    logged(tmp_path / "a run", sittings, log_model=True)
    logged(tmp_path / "b", [[(2, "latest best"), (4, "latest")]], log_model="all")
    logged(tmp_path / "c", [[(2, "latest best")]])
    first, second, third, every, none = read_offline_run(*(tmp_path / name for name in ("a run", "b", "c")))
    for sitting, told in (
        # W&B itself calls every new version `latest`, and moves the alias to the next one: the best one comes first.
        (first, [("2", ["best", "latest"]), ("4", ["latest"])]),
        (second, [("2", ["best", "latest"]), ("6", ["latest"])]),
        (third, [("8", ["best", "latest"])]),
        (every, [("2", ["best", "latest"]), ("4", ["latest"])]),
        (none, []),
    ):
        assert [(stored(one)["weights.safetensors"], sorted(one["aliases"])) for one in sitting.artifacts] == told
        for artifact in sitting.artifacts:
            assert sorted(stored(artifact)) == ["README.md", "pictures/grid.png", "weights.safetensors"]
            assert artifact["type"] == "model"
            files = [Path(entry["local_path"]) for entry in artifact["manifest"]["contents"]]
            assert all(sitting.file.parent in file.parents for file in files)  # it is deleted with the run
    assert {artifact["name"] for artifact in first.artifacts + second.artifacts} == {"a-run"}
    assert first.artifacts[0]["metadata"] == {
        "iteration": 2,
        "images": 64,
        "metrics": {"fid": None},
        "evaluation": {"extractor": "classifier(digits)", "samples": 9},
        "run": "vanilla-ring-0",
        "variant": "vanilla",
        "data": "ring",
        "seed": 3,
        "command": "python -m experiments.train",
        "commit": "abc",
    }


def test_a_run_tells_its_loggers_of_every_export_and_of_its_divergence_once(tmp_path: Path) -> None:
    spec = {"_target_": "lightning_gans.models.generative.GenerativeModel"}
    logger = WandbLogger(run_dir=tmp_path, log_model=True)
    saving = Checkpoints(every=2, minutes=60, spec=spec)
    with pytest.raises(Diverged):
        fit(tiny_game(80, learning_rate=1e30), tmp_path, [TrainingLog(every=2), saving], loggers=[logger])
    logger.log_alert("error", "The run diverged", "again")
    logger.log_alert("warning", "Collapse watch: classes", "few classes")
    logger.log_alert("warning", "Collapse watch: classes", "few classes")
    logger.finalize("failed")
    other = WandbLogger(run_dir=tmp_path)  # of the same run, in another process
    other.log_alert("warning", "Collapse watch: classes", "few classes")
    other.finalize("success")
    first, second, third = read_offline_run(tmp_path)
    alerts = [alert for sitting in (first, second, third) for alert in sitting.alerts]
    assert [(alert["level"], alert["title"]) for alert in alerts] == [
        ("ERROR", "The run diverged"),
        ("WARN", "Collapse watch: classes"),
    ]
    assert "player" in alerts[0]["text"]
    assert first.summary["status"] == "diverged"


@pytest.mark.parametrize(
    "name, made",
    [("bigan-digits-0", "bigan-digits-0"), ("my run: é/", "my-run"), ("ü", "generator"), ("x" * 200, "x" * 128)],
)
def test_names_of_artifacts_have_the_characters_that_w_and_b_takes(name: str, made: str) -> None:
    assert artifact_name(Path("runs") / name) == made


def test_a_copy_that_was_killed_half_way_is_none(tmp_path: Path) -> None:
    assert kept(tmp_path / "best") is None
    keep(Export(export(tmp_path / "generator", "2"), 2, {}), tmp_path / "best")
    keep(Export(export(tmp_path / "generator", "4"), 4, {"a": 1}), tmp_path / "best")
    assert kept(tmp_path / "best") == Export(tmp_path / "best" / "generator", 4, {"a": 1})
    assert (tmp_path / "best" / "generator" / "weights.safetensors").read_text() == "4"
    (tmp_path / "best" / "export.json").write_text(json.dumps({"iteration": None}))
    assert kept(tmp_path / "best") is None
