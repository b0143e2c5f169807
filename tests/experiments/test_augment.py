import json

import pytest
import torch
import yaml
from PIL import Image

from datamodules import Folder
from experiments import augment
from lightning_gans.core.errors import UserError
from lightning_gans.extractors.training import Recipe
from lightning_gans.models import build, save_generator

CONDITIONAL = {
    "_target_": "lightning_gans.models.conditional.ConditionalGenerativeModel",
    "classes": 10,
    "prior": {"_target_": "lightning_gans.core.prior.Normal", "dim": 2},
    "generator": {
        "_target_": "lightning_gans.networks.concatenation.ConditionalMLPGenerator",
        "latent_dim": 2,
        "classes": 10,
        "sample_shape": [1, 8, 8],
        "width": 8,
        "depth": 1,
        "batch_norm": False,
        "output": "tanh",
    },
}


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    save_generator(build(CONDITIONAL).eval(), CONDITIONAL, tmp_path / "run" / "generator")
    data = {"_target_": "datamodules.Digits", "batch_size": 8, "image_size": 8, "channels": 1, "dequantize": False}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump({"data": data}))
    return tmp_path / "run"


def test_a_set_by_class_and_what_it_is_worth(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Recipe, "__init__", lambda self, **_: object.__setattr__(self, "least", 1000))
    out = tmp_path / "synthetic"
    assert augment.main([f"run={run}", f"out={out}", "n=25", "seeds=2", "shares=0.5"]) == 0
    assert sorted(path.name for path in out.iterdir()) == [*"0123456789", "report.json"]
    assert [len(list((out / name).iterdir())) for name in "0123456789"] == [3] * 5 + [2] * 5
    assert Image.open(out / "3" / "00000.png").size == (8, 8)
    report = json.loads((out / "report.json").read_text())
    assert list(report["accuracy"]) == ["synthetic", "real 50%", "real 50% + synthetic"]
    printed = capsys.readouterr().out
    assert "real 50% + synthetic" in printed
    assert "gain" in printed
    data = Folder(root=str(out), image_size=8, channels=1)
    assert data.classes == tuple("0123456789")
    assert sum(len(source) for source in data.sources.values()) == 25


def test_the_table_names_the_gain():
    found = {"synthetic": [0.5, 0.7], "real 1%": [0.6, 0.6], "real 1% + synthetic": [0.7, 0.8]}
    assert list(augment.lines(found)) == [
        "trained on           accuracy on the test split",
        "synthetic            0.6000 +- 0.1414",
        "real 1%              0.6000 +- 0.0000",
        "real 1% + synthetic  0.7500 +- 0.0707   gain +0.1500",
    ]


def test_no_gain_is_said_too():
    found = {"real 1%": [0.5], "real 1% + synthetic": [0.5]}
    assert list(augment.lines(found))[-1] == "real 1% + synthetic  0.5000   gain +0.0000"


def test_folders_sort_as_classes_do():
    assert augment._folders(("cat", "dog")) == ["cat", "dog"]
    assert augment._folders(("dog", "cat")) == ["0-dog", "1-cat"]
    assert augment._folders(("a/b", "a b")) == ["0-a_b", "1-a_b"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["out=x"], "Which run?"),
        (["run=RUN"], r"Where to\? Say out=DIR"),
        (["run=RUN", "out=RUN"], "is there already and not empty"),
        (["run=RUN", "out=x", "n=0"], "n=0: must be a whole number of at least 1"),
        (["run=RUN", "out=x", "shares=0.1,2"], "above 0 and at most 1"),
        (["run=RUN", "out=x", "share=1"], "There is no key 'share'. Did you mean shares=1"),
    ],
)
def test_slips_are_named(run, arguments, said):
    with pytest.raises(UserError, match=said):
        augment.parse([argument.replace("RUN", str(run)) for argument in arguments])


def test_a_model_without_labels_has_no_labelled_samples(run, tmp_path):
    spec = {
        "_target_": "lightning_gans.models.generative.GenerativeModel",
        "prior": CONDITIONAL["prior"],
        "generator": {
            "_target_": "lightning_gans.networks.mlp.MLPGenerator",
            **{k: v for k, v in CONDITIONAL["generator"].items() if k not in ("_target_", "classes")},
        },
    }
    save_generator(build(spec).eval(), spec, run / "generator")
    with pytest.raises(UserError, match="not told which class"):
        augment.main([f"run={run}", f"out={tmp_path / 'x'}"])


def test_data_of_anybody_elses_are_not_built(run, tmp_path):
    (run / "config.yaml").write_text(yaml.safe_dump({"data": {"_target_": "os.system", "command": "true"}}))
    with pytest.raises(UserError, match=r"trained on os\.system"):
        augment.main([f"run={run}", f"out={tmp_path / 'x'}"])
