import json
import shutil
import subprocess
import sys
from dataclasses import replace
from statistics import stdev

import numpy as np
import pytest
import yaml
from PIL import Image
from torch.nn.functional import adaptive_avg_pool2d

from experiments import evaluate
from experiments.trained import evaluation, evaluation_request
from experiments.trained.loading import check_targets, load_data, with_data
from lightning_gans.core.errors import UserError
from lightning_gans.evaluation.sets.protocols import PROTOCOLS

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
    assert set(found["scores"]) >= {"fid_coordinates", "fid_coordinates_se", "kid_coordinates", "recall_coordinates"}
    assert found["scores"].keys() >= found["floor"].keys() >= {"fid_coordinates"}
    assert "64 samples against train" in capsys.readouterr().out


def test_draws_have_a_mean_and_a_deviation(trained, tmp_path, capsys):
    points, scores = trained / "points", {}
    for draws in (1, 2, 3):
        assert ask(points, metrics="planar", draws=draws, out=tmp_path / "found.json") == 0
        found = json.loads((tmp_path / "found.json").read_text())
        scores[draws] = found["scores"]["fid_coordinates"] * draws
        assert ("fid_coordinates" in found["deviations"]) == (draws > 1)
    values = [scores[1], scores[2] - scores[1], scores[3] - scores[2]]
    assert len(set(values)) == 3  # each draw is another
    assert found["deviations"]["fid_coordinates"] == pytest.approx(stdev(values), rel=1e-6)
    assert "3 x 100 samples" in capsys.readouterr().out


def test_draws_of_what_is_not_drawn(run):
    with pytest.raises(UserError, match=r"draws=2: this run's model is not measured by samples"):
        ask(run, draws=2)


def test_numbers_that_are_not_finite(tmp_path):
    request = evaluation_request.Request(
        run=tmp_path, which="last", split="test", samples=None, draws=1, metrics=None, data={}, measures=(), out=None,
        allow=(),
    )  # fmt: skip
    scores = {"fid": float("nan"), "fid_se": float("nan"), "is": 2.0, "is_se": 0.125}
    found = evaluation.Found(scores, {}, {"fid": 0.5, "fid_se": 0.25}, {}, None)
    record = evaluation.as_dict(request, found, 1.0)
    assert record["scores"] == {"fid": None, "fid_se": None, "is": 2.0, "is_se": 0.125}
    assert {"versions", "command", "time", "seconds"} <= set(record)
    assert list(evaluation.lines(request, found))[1:] == [
        "           value     +-  real samples    +-",
        "fid (low)                         0.5  0.25",
        "is (high)      2  0.125",
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
        ({"metrics.weights": "w.pth", "metrics": "classifier"}, "goes with metrics=inception"),
        ({"metrics": "inception", "metrics.wieghts": "w.pth"}, "Did you mean metrics.weights=w.pth?"),
        ({"generated": "samples"}, "is measured on its own data, and generated= compares two sets"),
        ({"protocol": "fid5k"}, "protocol=fid5k: it is fid50k, sngan or mimicry. Did you mean protocol=fid50k?"),
        ({"protocol": "fid50k", "metrics": "classifier"}, "fixes metrics=inception, and metrics=classifier contra"),
        ({"protocol": "fid50k", "draws": "2"}, "draws=2 does not go with protocol=fid50k"),
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


def sets(tmp_path, **given):
    """A request of two sets: a folder of 6 RGB images and one of 4, where nothing else is given."""
    for name, count in {"made": 4, "real": 6}.items():
        (tmp_path / name).mkdir(exist_ok=True)
        for n in range(count):
            Image.new("RGB", (8, 8), (40 * n, 0, 0)).save(tmp_path / name / f"{n}.png")
    usual = {"generated": tmp_path / "made", "reference": tmp_path / "real", "metrics": "pixels"}
    return [f"{key}={value}" for key, value in {**usual, **given}.items() if value is not None]


@pytest.mark.parametrize(
    "given, said",
    [
        ({"refrence": "x"}, r"There is no key 'refrence'\. Did you mean reference=x\?"),
        ({"generated": None}, r"reference=.*real needs a set beside it: say generated="),
        ({"reference": None}, r"generated=.*made needs a set beside it: say reference="),
        ({"reference": "cifar01"}, r"Did you mean reference=cifar10"),
        ({"metrics": "pixel"}, r"metrics=pixel: it is inception, classifier or pixels\. Did you mean metrics=pixels\?"),
        ({"metrics": "planar"}, r"metrics=planar: it is inception, classifier or pixels"),
        (
            {"data.imagesize": "8"},
            r"data\.imagesize=8: neither set has such a setting\. Did you mean data\.image_size=8",
        ),
        ({"data.channels": "2"}, r"data\.channels=2 .*allowed"),
        ({"samples": "9"}, r"samples=9: generated=.*made holds 4 images\. Say samples=4"),
        ({"draws": "3"}, r"draws=3 goes with run=DIR, not with two sets"),
        ({"which": "best"}, r"which=best chooses the weights of a run, and neither set is a run"),
        ({"statistics": "a.txt"}, r"say statistics=a\.npz"),
        (
            {"statistics": __file__ + "/a.npz"},
            r"statistics=.*test_evaluate\.py is a file, not a folder\.",
        ),
        (
            {"out": __file__ + "/a.json"},
            r"out=.*a\.json: .*test_evaluate\.py is a file, not a folder\. Choose another o",
        ),
        (
            {"protocol": "sngan", "reference": "cifar10:train", "metrics": None},
            r"test split.*Say reference=cifar10:test",
        ),
        (
            {"protocol": "sngan", "metrics.resize": "clean", "metrics": None},
            r"fixes metrics\.resize=tf1|no such setting",
        ),
        (
            {"protocol": "mimicry", "reference": "cifar10", "data.holdout": "100", "metrics": None},
            r"fixes data\.holdout=0",
        ),
        (
            {"reference": "mnist", "metrics": "inception"},
            r"made holds RGB images and reference=mnist grey ones\. Say data\.channels=3",
        ),
    ],
)
def test_slips_in_two_sets_are_named_before_torch(tmp_path, given, said):
    with pytest.raises(UserError, match=said):
        evaluation_request.parse(sets(tmp_path, **given))


@pytest.mark.parametrize("key", ["generated", "reference", None])
def test_statistics_are_written_over_no_other_file(tmp_path, key):
    images = tmp_path / "images.npz"
    np.savez(images, np.zeros((4, 8, 8, 3), np.uint8))
    held = images.read_bytes()
    given = {key: images} if key else {}
    with pytest.raises(UserError, match="one of the two sets" if key else "holds no statistics"):
        evaluation_request.parse(sets(tmp_path, statistics=images, **given))
    assert images.read_bytes() == held


def test_a_split_that_a_folder_lacks_is_no_value_to_leave_out(tmp_path):
    arguments = sets(tmp_path, metrics=None, protocol="sngan")
    (tmp_path / "real").rename(tmp_path / "train")
    (tmp_path / "real").mkdir()
    (tmp_path / "train").rename(tmp_path / "real" / "train")
    (tmp_path / "real" / "val").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "real" / "val" / "0.png")
    with pytest.raises(UserError, match=r"the test split, and reference=.*real has none\. Add a folder test/"):
        evaluation_request.parse(arguments)


def test_figures_are_shown_before_a_file_of_them_fails(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise UserError("no space")

    monkeypatch.setattr(evaluate, "write_atomically", full)
    with pytest.raises(UserError, match="no space"):
        evaluate.main(sets(tmp_path, out=tmp_path / "scores.json"))
    assert "fid_pixels" in capsys.readouterr().out


def test_a_slip_is_answered_without_torch(tmp_path):
    arguments = sets(tmp_path, metrics="pixel")
    code = (
        "import sys; from experiments import cli, evaluate; code = cli.run(lambda: evaluate.main(sys.argv[1:])); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Did you mean metrics=pixels?" in done.stderr


@pytest.fixture
def inception(monkeypatch):
    """A stand-in for the network: mean colours, and their softmax as classes."""
    from lightning_gans.extractors import factories
    from lightning_gans.extractors.base import Features

    class Network:
        name, fingerprint, suffix, feature_dim, classes = "inception-v3-compat", "stand-in", "", 4, 4

        def __call__(self, x):
            features = adaptive_avg_pool2d(x, 2).mean(1).flatten(1)
            return Features(features, features.softmax(1))

    monkeypatch.setattr(factories, "inception", lambda data, **_: Network())


@pytest.mark.parametrize(
    "protocol, reference, metrics", [("fid50k", 1617, None), ("mimicry", 1617, {"fid", "kid", "is"})]
)
def test_a_run_by_a_published_protocol(run, tmp_path, inception, protocol, reference, metrics):
    out = tmp_path / "found.json"
    assert ask(run, protocol=protocol, samples=64, out=out) == 0
    found = json.loads(out.read_text())
    assert found["protocol"] == f"{protocol} with 64 samples"
    assert (found["samples"], found["reference"]["images"]) == (64, reference)  # no image is held out
    assert found["generated"]["kind"] == "run"
    assert metrics is None or {name.split("_")[0] for name in found["scores"]} == metrics
    assert found["floor"].keys() >= {"fid", "is"}


def test_the_protocol_of_sngan_takes_distances_of_fewer_samples_than_the_score(run, tmp_path, inception, monkeypatch):
    monkeypatch.setitem(PROTOCOLS, "sngan", replace(PROTOCOLS["sngan"], samples=100, distance_samples=20, reference=90))
    out = tmp_path / "found.json"
    assert ask(run, protocol="sngan", out=out) == 0
    found = json.loads(out.read_text())
    assert found["protocol"] == "sngan"
    assert (found["samples"], found["distance_samples"], found["reference"]["images"]) == (100, 20, 90)
    assert {name.split("_")[0] for name in found["scores"]} == {"fid", "is"}
    assert found["reference"]["name"] == "digits:test"
    fewer = tmp_path / "fewer.json"
    assert ask(run, protocol="sngan", samples=50, out=fewer) == 0
    assert json.loads(fewer.read_text())["protocol"] == "sngan with 50 samples"


def test_sets_that_are_too_small_for_a_protocol(run, tmp_path, inception):
    with pytest.raises(UserError, match=r"reference=digits:test holds 180 images, and protocol=sngan takes 10,000"):
        ask(run, protocol="sngan")
    small = sets(tmp_path, protocol="fid50k", metrics=None)
    with pytest.raises(UserError, match=r"made holds 4 images, and protocol=fid50k takes 50,000.*samples=4"):
        evaluate.main(small)
    assert evaluate.main([*small, "samples=4"]) == 0


def test_a_run_is_one_of_two_sets(run, tmp_path, capsys):
    arguments = [f"generated={run}", "reference=digits", "metrics=pixels", "samples=64", f"out={tmp_path / 'a.json'}"]
    assert evaluate.main([*arguments, "which=best"]) == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["generated"].items() >= {"kind": "run", "images": 64, "iteration": 4, "size": [1, 8, 8]}.items()
    assert found["reference"]["size"] == [1, 8, 8]  # a data set comes at the size of the samples
    assert found["floor"]
    assert "(best): 64 images, 8x8 grey" in capsys.readouterr().out
    assert evaluate.main([f"generated={run}", f"reference={run}", "metrics=pixels", "samples=64"]) == 0


def test_a_run_of_points_is_no_set_of_images(trained):
    with pytest.raises(UserError, match=r"points.*shape \(2,\) and are no images"):
        evaluate.main([f"generated={trained / 'points'}", "reference=digits", "metrics=pixels"])
    with pytest.raises(UserError, match=r"points.*are no images"):
        ask(trained / "points", protocol="fid50k")


def test_warnings_of_a_run_are_notes_and_in_its_file(run, tmp_path, capsys):
    assert ask(run, metrics="pixels", samples=20, out=tmp_path / "scores.json") == 0
    assert "note: FID of fewer samples (20)" in capsys.readouterr().out
    assert "FID of fewer samples (20)" in json.loads((tmp_path / "scores.json").read_text())["notes"][0]


def test_data_of_another_size_than_the_samples_are_refused(run):
    with pytest.raises(UserError, match=r"data\.image_size=16: .*1x8x8, and the data then have 1x16x16\. Leave data"):
        ask(run, **{"metrics": "pixels", "data.image_size": 16})
