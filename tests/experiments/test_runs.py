"""Names of runs, and whether a command may resume in a run's directory."""

import json
import os
import re

import pytest

from experiments.runs import directory as runs
from experiments.runs.resume import DivergedBefore, check_resume, differences, flatten
from lightning_gans.core.errors import UserError
from tests.helpers.damage import write_checkpoint

CONFIG = {
    "seed": 0,
    "iterations": 100,
    "run_dir": "somewhere",
    "data_dir": "data",
    "resume": "auto",
    "init_from": None,
    "names": {"run": "x"},
    "data": {"_target_": "datamodules.Vision", "batch_size": 64, "root": "data", "download": True},
    "variant": {"training": {"iterations": 100, "lr": 0.1}},
    "trainer": {"devices": 1, "precision": "auto"},
    "logger": None,
    "callbacks": {"grids": {"every": 50}},
}


def changed(**values):
    """CONFIG with dotted keys (`__` for a dot) changed."""
    config = {key: dict(value) if isinstance(value, dict) else value for key, value in CONFIG.items()}
    config["variant"] = {"training": dict(CONFIG["variant"]["training"])}
    for key, value in values.items():
        *place, last = key.split("__")
        node = config
        for part in place:
            node = node[part]
        node[last] = value
    return config


# Names


@pytest.mark.parametrize(
    "differences, name",
    [
        ({}, "dcgan-digits"),
        ({"minimax": "", "batch_size": "128"}, "dcgan-digits-batch_size128-minimax"),
        ({"lr": "0.001"}, "dcgan-digits-lr0.001"),
        ({"shift": "-1"}, "dcgan-digits-shift-1"),
    ],
)
def test_a_group_is_named_after_its_choices(differences, name):
    assert runs.group_name("dcgan", "digits", differences) == name


@pytest.mark.parametrize("text", ["a/b c", "ä", "x=(1)", "", "../..", "a" * 300])
def test_names_hold_safe_characters_only_and_not_too_many(text):
    name = runs.group_name("dcgan", "digits", {"key": text})
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    assert len(name) <= runs.LONGEST


def test_texts_that_lose_characters_keep_apart():
    names = {
        runs.group_name("v", "d", {"key": text}) for text in ("a b", "a/b", "a=b", "c/b", "a_b", "x" * 300, "x" * 301)
    }
    assert len(names) == 7


@pytest.mark.parametrize(
    "key, short",
    [("data.batch_size", "batch_size"), ("D.lr", "D.lr"), ("z.net.width", "net.width"), ("new.key", "new.key")],
)
def test_keys_are_as_short_as_they_can_be(key, short):
    assert runs.short_key(key, {"data.batch_size", "D.lr", "G.lr", "z.net.width", "width"}) == short


# Files


def test_a_configuration_reads_back_as_it_was_written(tmp_path):
    (tmp_path / runs.CONFIG).write_text(runs.config_text(CONFIG))
    assert runs.read_config(tmp_path) == CONFIG
    assert runs.read_config(tmp_path / "nothing") is None


@pytest.mark.parametrize("text", ["{", "[1]", "!!python/object/apply:os.system ['true']", "\0"])
def test_a_broken_configuration_is_named(text, tmp_path):
    (tmp_path / runs.CONFIG).write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml cannot be read"):
        runs.read_config(tmp_path)


def test_a_summary_reads_with_what_is_not_finite_as_none(tmp_path):
    (tmp_path / runs.SUMMARY).write_text(
        '{"status": "running", "iterations": 7, "metrics": {"fid": {"last": null, "best": 3.5, "best_iteration": 5}}}'
    )
    summary = runs.read_summary(tmp_path)
    assert (summary.status, summary.iterations, summary.images_per_second) == ("running", 7, None)
    assert summary.metrics == {"fid": {"last": None, "best": 3.5, "best_iteration": 5, "better": "lower"}}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"status": 3}'])
def test_a_broken_summary_is_named(text, tmp_path):
    (tmp_path / runs.SUMMARY).write_text(text)
    with pytest.raises(UserError, match=r"summary\.json cannot be read"):
        runs.read_summary(tmp_path)


# Resume


@pytest.fixture
def run(tmp_path):
    """A run's directory with a configuration and a checkpoint; call it with a status."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / runs.CONFIG).write_text(runs.config_text(CONFIG))
    write_checkpoint(folder / runs.LAST)

    def at(status, iterations=100):
        (folder / runs.SUMMARY).write_text(f'{{"status": "{status}", "iterations": {iterations}}}')
        return folder

    at.folder = folder
    return at


@pytest.mark.parametrize("folder", ["absent/deeper", "empty"])
def test_a_free_directory_is_a_new_run(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for resume in ("auto", "never"):
        assert check_resume(changed(resume=resume), tmp_path / folder).mode == "new"


@pytest.mark.parametrize("status", ["running", "stopped"])
def test_the_same_configuration_continues(run, status):
    resume = check_resume(CONFIG, run(status, 40))
    assert (resume.mode, resume.checkpoint) == ("continue", run.folder / runs.LAST)


def test_a_run_killed_before_its_first_checkpoint_starts_again(run):
    (run.folder / runs.LAST).unlink()
    assert check_resume(CONFIG, run("running", 0)).mode == "new"


@pytest.mark.parametrize(
    "change",
    [
        {"iterations": 200, "variant__training__iterations": 200},
        {"logger": {"_target_": "x"}},
        {"callbacks__grids": {"every": 1}},
        {"data_dir": "/elsewhere", "data__root": "/elsewhere"},
        {"data__download": False},
        {"trainer__devices": 2},
        {"run_dir": "moved", "names": {}},
    ],
)
def test_what_may_differ(run, change):
    assert check_resume(changed(**change), run("stopped", 40)).mode == "continue"


@pytest.mark.parametrize(
    "change, said",
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"data__batch_size": 32}, "data.batch_size: 64 there, 32 here"),
        ({"variant__training__lr": 0.2}, "variant.training.lr: 0.1 there, 0.2 here"),
        ({"trainer__precision": "16-mixed"}, "trainer.precision: auto there, 16-mixed here"),
        ({"variant__more": 1}, "variant.more: not set there, 1 here"),
        ({"iterations": 50, "variant__training__iterations": 50}, "iterations: 100 there, 50 here"),
        ({"variant__training__iterations": 7}, "variant.training.iterations: 100 there, 7 here"),
    ],
)
def test_anything_else_is_refused_with_the_differences(run, change, said):
    with pytest.raises(UserError) as caught:
        check_resume(changed(**change), run("stopped", 40))
    assert said in str(caught.value)
    assert "another run_dir" in str(caught.value)
    assert str(caught.value).count(" there, ") == 1


def test_a_finished_run_is_finished_unless_more_is_asked_of_it(run):
    folder = run("finished", 100)
    assert check_resume(CONFIG, folder).mode == "finished"
    assert check_resume(changed(iterations=60, variant__training__iterations=60), folder).mode == "finished"
    more = check_resume(changed(iterations=101, variant__training__iterations=101), folder)
    assert (more.mode, more.checkpoint) == ("continue", folder / runs.LAST)
    with pytest.raises(UserError, match="seed: 0 there"):
        check_resume(changed(seed=1), folder)


def test_a_diverged_run_is_not_repeated(run):
    with pytest.raises(DivergedBefore, match=r"run_dir=.*resume="):
        check_resume(CONFIG, run("diverged", 40))
    resume = check_resume(changed(resume=str(run.folder / runs.LAST)), run.folder)
    assert (resume.mode, resume.checkpoint) == ("continue", run.folder / runs.LAST)


def test_never_overwrites_nothing(run):
    with pytest.raises(UserError, match="resume=never"):
        check_resume(changed(resume="never"), run("finished"))
    begun = run("running", 40)  # by the first process, which the others find
    assert check_resume(changed(resume="never"), begun, leads=False).mode == "continue"


def test_a_path_is_where_to_start_from(run, tmp_path):
    last = run("stopped", 40) / runs.LAST
    resume = check_resume(changed(resume=str(last)), tmp_path / "new")
    assert (resume.mode, resume.checkpoint) == ("continue", last)
    with pytest.raises(UserError, match="seed: 0 there, 1 here"):
        check_resume(changed(resume=str(last), seed=1), tmp_path / "new")
    with pytest.raises(UserError, match=re.escape(f"resume={last}")):
        check_resume(changed(resume=str(run.folder)), tmp_path / "new")
    with pytest.raises(UserError, match="no such file"):
        check_resume(changed(resume="gone.ckpt"), tmp_path / "new")


def test_checkpoints_of_who_knows_what_are_left_alone(run):
    (run.folder / runs.CONFIG).unlink()
    with pytest.raises(UserError, match=r"no config\.yaml"):
        check_resume(CONFIG, run.folder)


def test_places_that_cannot_be_written_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    for place, said in (("file", "is a file"), ("file/below", "is a file"), ("link", "a link to nowhere")):
        with pytest.raises(UserError, match=said):
            check_resume(CONFIG, tmp_path / place)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match="no permission to write"):
        check_resume(CONFIG, tmp_path / "new")


def test_differences_and_leaves():
    assert differences(CONFIG, CONFIG) == []
    assert differences(CONFIG | {"init": None}, CONFIG) == []  # a setting that is younger than the run
    assert len(differences(CONFIG | {"init": {"std": 0.02}}, CONFIG)) == 1
    assert dict(flatten({"a": {"b": 1, "c": {}}, "d": [1]})) == {"a.b": 1, "a.c": {}, "d": [1]}
    (found,) = differences(changed(seed=1), CONFIG)
    assert (found.key, found.there, found.here) == ("seed", 0, 1)


def test_a_summary_of_an_earlier_version_has_present_names(tmp_path):
    old = {
        "status": "finished",
        "headline": "fid",
        "metrics": {"fid": {"last": 2.0, "best": 1.0, "best_iteration": 5}, "accuracy": {}, "test_accuracy": {}},
        "test": {"last": {"fid": 3.0, "kid_std": 0.5}},
        "evaluation": {"extractor": "classifier(digits)", "floor": {"fid": 0.5}},
    }
    (tmp_path / runs.SUMMARY).write_text(json.dumps(old))
    found = runs.read_summary(tmp_path)
    assert set(found.metrics) == {"fid_classifier", "accuracy"}
    assert found.metrics["fid_classifier"]["better"] == "lower"
    assert found.all["test"] == {"last": {"fid_classifier": 3.0, "kid_classifier_std": 0.5}}
    assert found.all["evaluation"]["floor"] == {"fid_classifier": 0.5}
    assert found.all["headline"] == "fid_classifier"
    (tmp_path / runs.SUMMARY).write_text(json.dumps(old | {"evaluation": {"extractor": "inception-v3-compat"}}))
    assert set(runs.read_summary(tmp_path).metrics) == {"fid", "accuracy"}
