import json
import shutil
from statistics import stdev

import pytest
import yaml

from experiments import evaluate
from experiments.trained.loading import check_targets, load_data, with_data
from lightning_gans.core.errors import UserError

TINY = ["iterations=4", "callbacks.evaluation.every=2", "callbacks.evaluation.samples=100", "logger=none"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs on images and on points."""
    from tests.experiments.conftest import Launcher

    folder = tmp_path_factory.mktemp("evaluated")
    Launcher(folder).run("variant=vae", "data.image_size=8", "metrics=own", "run_dir=images", *TINY)
    Launcher(folder).run("variant=vanilla", "data=swiss_roll", "metrics=own", "run_dir=points", *TINY)
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained / "images", tmp_path / "run")


def ask(run, **given):
    return evaluate.main([f"run={run}", *(f"{key}={value}" for key, value in given.items())])


@pytest.mark.parametrize("which", ["last", "best"])
def test_it_measures_what_the_run_measured(run, tmp_path, capsys, which):
    assert ask(run, which=which, out=tmp_path / "found.json") == 0
    found = json.loads((tmp_path / "found.json").read_text())
    theirs = json.loads((run / "summary.json").read_text())["test"][which]
    assert set(theirs) >= {"nll", "reconstruction_mse", "knn_accuracy"}
    assert found["scores"] == pytest.approx(theirs, rel=1e-4)
    assert (found["which"], found["split"], found["iteration"]) == (which, "test", 4)
    printed = capsys.readouterr().out
    assert "nll (low)" in printed
    assert "knn_accuracy (high)" in printed


def test_another_extractor_and_number_of_samples(trained, tmp_path, capsys):
    with pytest.raises(UserError, match="nothing that is measured applies"):
        ask(trained / "points")
    assert ask(trained / "points", metrics="planar", samples=64, out=tmp_path / "found.json", split="validation") == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["samples"], found["extractor"]) == (64, "coordinates")
    assert found["scores"].keys() == found["floor"].keys() == {"fid", "kid", "kid_std"}
    assert "64 samples against train" in capsys.readouterr().out


def test_draws_have_a_mean_and_a_deviation(trained, tmp_path, capsys):
    points, scores = trained / "points", {}
    for draws in (1, 2, 3):
        assert ask(points, metrics="planar", draws=draws, out=tmp_path / "found.json") == 0
        found = json.loads((tmp_path / "found.json").read_text())
        scores[draws] = found["scores"]["fid"] * draws
        assert ("fid" in found["deviations"]) == (draws > 1)
    values = [scores[1], scores[2] - scores[1], scores[3] - scores[2]]
    assert len(set(values)) == 3  # each draw is another
    assert found["deviations"]["fid"] == pytest.approx(stdev(values), rel=1e-6)
    assert "3 x 100 samples" in capsys.readouterr().out


def test_draws_of_what_is_not_drawn(run):
    with pytest.raises(UserError, match=r"draws=2: this run's model is not measured by samples"):
        ask(run, draws=2)


def test_numbers_that_are_not_finite(tmp_path):
    request = evaluate.Request(
        run=tmp_path, which="last", split="test", samples=None, draws=1, metrics=None, weights=None, data={},
        measures=(), out=None, allow=(),
    )  # fmt: skip
    found = evaluate.Found({"fid": float("nan"), "is": 2.0}, {}, {"fid": 0.5}, {}, None)
    assert evaluate.as_dict(request, found)["scores"] == {"fid": None, "is": 2.0}
    assert list(evaluate.lines(request, found))[1:] == [
        "           value  real samples",
        "fid (low)    nan           0.5",
        "is (high)      2",
    ]


def test_an_extractor_of_other_samples(run):
    with pytest.raises(UserError, match="measures points, and these samples are 1x8x8"):
        ask(run, metrics="planar")


def change(run, **settings):
    config = yaml.safe_load((run / "config.yaml").read_text())
    for key, value in settings.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def test_code_of_others_is_not_run(run):
    change(run, data={"_target_": "os.system"})
    with pytest.raises(UserError, match=r"was trained on os\.system.*allow=os\.system"):
        ask(run)
    change(run, metrics={"_target_": "subprocess.run"})
    with pytest.raises(UserError, match=r"is measured by subprocess\.run"):
        ask(run)


@pytest.mark.parametrize("target", ["datamodules.cache.shutil", "datamodules.vision.Path", "datamodulesx.Digits"])
def test_only_public_names_of_our_data(target):
    with pytest.raises(UserError, match="If you trust that code"):
        load_data({"data": {"_target_": "datamodules.Digits", "beside": [{"_target_": target}]}})


def test_what_is_allowed_may_be_used():
    check_targets({"a": {"_target_": "mine.data.Set"}}, ("datamodules.",), allow=("mine.",), what="has")


def test_without_metrics_one_has_to_be_named(run):
    change(run, metrics=None)
    with pytest.raises(UserError, match=r"was trained with metrics=none\. Say by what"):
        ask(run)


def test_an_export_alone_has_no_data(run):
    with pytest.raises(UserError, match=r"no config\.yaml, which says what data"):
        ask(run / "generator")


def test_data_that_moved(tmp_path):
    there = {"data": {"_target_": "datamodules.Vision", "root": "/before", "batch_size": 8}, "data_dir": "/before"}
    assert with_data(there, {}, tmp_path) == there
    assert with_data(there, {"data_dir": "here"}, tmp_path)["data"] == {**there["data"], "root": "here"}
    with pytest.raises(UserError, match="do not lie in a data_dir; leave it out"):
        with_data({"data": {"batch_size": 8}, "data_dir": None}, {"data_dir": "here"}, tmp_path)


def images_of(tmp_path, **settings):
    (tmp_path / "images").mkdir()
    return {"data": {"_target_": "datamodules.Folder", "root": str(tmp_path / "images"), "batch_size": 8} | settings}


def test_every_setting_of_the_data_may_be_given_anew(tmp_path):
    config = images_of(tmp_path)
    (tmp_path / "2024").mkdir()
    given = {"data.batch_size": "16", "data.root": str(tmp_path / "2024"), "data.validation_share": "1e-1"}
    found = with_data(config, given, tmp_path)["data"]
    assert (found["batch_size"], found["root"], found["validation_share"]) == (16, str(tmp_path / "2024"), 0.1)
    assert config["data"]["batch_size"] == 8


@pytest.mark.parametrize(
    "given, said",
    [
        ({"data.batchsize": "3"}, r"data\.batchsize: the data of run=.*Folder.* Did you mean data\.batch_size\?"),
        ({"data.batch_size": "x"}, r"data\.batch_size=x is not of the right type; allowed: a whole number"),
        (
            {"data.root": "nowhere"},
            r"The data of run=.* lie in data\.root=nowhere, .* is no folder now\. Say data\.root=",
        ),
        ({"data_dir": "."}, r"do not lie in a data_dir; say data\.root=DIR"),
    ],
)
def test_settings_of_data_that_do_not_fit(tmp_path, given, said):
    with pytest.raises(UserError, match=said):
        with_data(images_of(tmp_path), given, tmp_path)


def test_a_folder_that_is_gone_is_told_with_its_setting_before_torch(run, tmp_path):
    change(run, data={"_target_": "datamodules.Folder", "root": str(tmp_path / "gone")})
    with pytest.raises(UserError, match=r"data\.root=\S+gone, which is no folder now\. Say data\.root=DIR"):
        ask(run)


@pytest.mark.parametrize(
    "given, said",
    [
        ({"which": "bst"}, "which=bst: it is last or best. Did you mean which=best?"),
        ({"split": "train"}, "split=train: it is test or validation."),
        ({"metrics": "inceptoin"}, "Did you mean metrics=inception?"),
        ({"samples": "1"}, "samples=1: must be a whole number of at least 2"),
        ({"metrics.weights": "w.pth"}, "goes with metrics=inception"),
        ({"metrics.weights": "w.pth", "metrics": "inception"}, "there is no such file"),
        ({"data_dir": "nowhere"}, "data_dir=nowhere: there is no such folder"),
        ({"out": "found.txt"}, r"say out=found\.json"),
        ({"sampels": "9"}, "There is no key 'sampels'. Did you mean samples=9?"),
    ],
)
def test_slips_are_named(run, given, said):
    with pytest.raises(UserError, match=said.replace("?", r"\?")):
        ask(run, **given)


def test_help_is_no_error(capsys):
    assert evaluate.main(["--help"]) == 0
    assert "usage: python -m experiments.evaluate run=DIR" in capsys.readouterr().out
