"""The identity of W&B runs: settings over environment variables over the run's own names."""

import logging
from pathlib import Path
from typing import Any

import pytest

from lightning_gans.loggers.identity import chosen, for_one_run, pinned_id, tags_of
from lightning_gans.loggers.wandb import WandbLogger
from tests.helpers.offline_runs import OfflineRun, read_offline_run

WASSERSTEIN = {"_target_": "lightning_gans.losses.adversarial.Wasserstein"}
CONFIG: dict[str, Any] = {
    "group": "wgan_gp-digits",
    "objective": WASSERSTEIN,
    "variant": {"loss": WASSERSTEIN},
    "choices": {"variant": "wgan_gp", "data": "digits", "objective": "wasserstein", "trainer": "auto"},
}
GIVEN: dict[str, Any] = {
    "project": "p",
    "entity": "me",
    "name": "mine",
    "group": "g",
    "job_type": "debug",
    "notes": "by hand",
    "tags": ["a", "wasserstein"],
}
ENVIRONMENT = {
    "WANDB_PROJECT": "p2",
    "WANDB_ENTITY": "team",
    "WANDB_NAME": "theirs",
    "WANDB_RUN_GROUP": "g2",
    "WANDB_JOB_TYPE": "sweep",
    "WANDB_NOTES": "from outside",
    "WANDB_TAGS": "x, y",
    "WANDB_RUN_ID": "abc.123",
}


def begin(run_dir: Path, **settings: Any) -> None:
    logger = WandbLogger(run_dir=run_dir, **settings)
    logger.log_hyperparams(CONFIG)
    logger.log_metrics({"a": 1.0}, step=1)
    logger.finalize("success")


def named(found: OfflineRun) -> dict[str, Any]:
    keys = ("project", "entity", "display_name", "run_group", "job_type", "notes", "tags")
    return {key: found.run.get(key) for key in keys}


def test_settings_go_before_the_environment_and_that_before_the_runs_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path / "wgan_gp-digits-0")
    with monkeypatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        begin(tmp_path / "one", **GIVEN)
        begin(tmp_path / "two")
        patch.setenv("WANDB_NAME", "again")
        patch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
        begin(tmp_path / "two")  # a second sitting: its id stays
    plain, one, two = read_offline_run(*(tmp_path / name for name in ("wgan_gp-digits-0", "one", "two")))
    (moved,) = read_offline_run(tmp_path / "elsewhere")
    assert named(plain) == {
        "project": "lightning-gans",
        "entity": None,
        "display_name": "wgan_gp-digits-0",
        "run_group": "wgan_gp-digits",
        "job_type": "train",
        "notes": None,
        "tags": ["wgan_gp", "digits", "wasserstein"],
    }
    assert named(one) == {
        "project": "p",
        "entity": "me",
        "display_name": "mine",
        "run_group": "g",
        "job_type": "debug",
        "notes": "by hand",
        "tags": ["wgan_gp", "digits", "wasserstein", "a"],
    }
    assert named(two) == {
        "project": "p2",
        "entity": "team",
        "display_name": "theirs",
        "run_group": "g2",
        "job_type": "sweep",
        "notes": "from outside",
        "tags": ["wgan_gp", "digits", "wasserstein", "x", "y"],
    }
    # WANDB_RUN_ID is for the first run of the process alone, and stays with its directory.
    assert one.run["run_id"] == "abc.123" == pinned_id(tmp_path / "one")
    assert two.run["run_id"] == pinned_id(tmp_path / "two") == moved.run["run_id"]
    assert two.run["run_id"] != "abc.123"
    assert moved.run["display_name"] == "again"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_NOTES", " ")
    assert chosen(None, "WANDB_NOTES") is None
    assert chosen(None, "WANDB_NOTES", "ours") == "ours"


def test_the_id_of_a_directory_goes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = pinned_id(tmp_path / "a")
    monkeypatch.setenv("WANDB_RUN_ID", "outside")
    assert pinned_id(tmp_path / "a") == before
    assert pinned_id(tmp_path / "b") == "outside"
    assert pinned_id(tmp_path / "c") not in ("outside", before)
    monkeypatch.setenv("WANDB_RUN_ID", "another")
    assert pinned_id(tmp_path / "b") == "outside"
    assert pinned_id(tmp_path / "d") == "another"


def test_one_name_is_not_given_to_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_NAME", "the one")
    assert [for_one_run("WANDB_NAME", tmp_path / name) for name in "aba"] == ["the one", None, "the one"]


def test_an_id_that_no_file_system_takes_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "../../x")
    with caplog.at_level(logging.WARNING):
        assert len(pinned_id(tmp_path)) == 8
    assert "WANDB_RUN_ID=../../x is ignored" in caplog.text


def test_tags_name_the_objective_of_a_game_that_plays_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tags_of([], CONFIG) == ("wgan_gp", "digits", "wasserstein")
    assert tags_of([], {**CONFIG, "variant": {"adaptation_weight": 1.0}}) == ("wgan_gp", "digits")
    monkeypatch.setenv("WANDB_TAGS", "x,,y," + 70 * "z")
    assert tags_of(None, {}) == ("x", "y", 64 * "z")
    assert tags_of(["mine"], {}) == ("mine",)
