"""The small generators that come with the package."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from sklearn.neighbors import KNeighborsClassifier

from datamodules import Digits
from lightning_gans import load_generator, zoo
from lightning_gans.core.errors import UserError
from lightning_gans.core.protocols import Reconstructs, SamplesByLabel
from lightning_gans.models.export import described, save_generator
from tests.helpers import lean
from tests.models.test_export import SPEC, model

ROOT = Path(__file__).parents[2]
SHAPES = {"zoo/digits": (1, 16, 16), "zoo/encoder": (1, 32, 32), "zoo/ring": (2,)}


def test_these_are_there():
    assert zoo.names() == sorted(SHAPES)


@pytest.mark.parametrize("name", SHAPES)
def test_each_samples_what_its_card_says(name):
    x = load_generator(name).sample(20, seed=1)
    assert x.shape[1:] == SHAPES[name]
    assert x.isfinite().all()
    folder = zoo.located(Path(name))
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "model.yaml",
        "samples.png",
        "weights.safetensors",
    ]
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_000_000
    card = (folder / "README.md").read_text()
    assert f"* shape of a sample: {' x '.join(map(str, SHAPES[name]))}" in card
    assert f"python -m experiments.train variant={described(name)['about']['variant']}" in card
    assert yaml.safe_load(card.split("---")[1])["license"] == "mit"


def test_a_classifier_of_real_digits_finds_the_class_that_was_asked_for():
    x = torch.cat([batch.x for batch in Digits(batch_size=64, image_size=16).split("train").batches(500)])
    labels = Digits(batch_size=64, image_size=16).split("train").labels
    judge = KNeighborsClassifier(1).fit(x.flatten(1).numpy(), labels.numpy())
    generator = load_generator("zoo/digits")
    assert isinstance(generator, SamplesByLabel)
    asked = torch.arange(10).repeat(20)
    found = judge.predict(generator.sample(200, label=asked, seed=0).flatten(1).numpy())
    assert (torch.from_numpy(found) == asked).float().mean() >= 0.9


def test_the_ring_has_all_modes():
    x = load_generator("zoo/ring").sample(500)
    angle = torch.arange(8) * torch.pi / 4
    near = torch.cdist(x, torch.stack([angle.cos(), angle.sin()], 1)).min(1)
    assert set(near.indices[near.values < 0.03].tolist()) == set(range(8))


def test_the_encoder_reconstructs_digits():
    generator = load_generator("zoo/encoder")
    assert isinstance(generator, Reconstructs)
    x = next(iter(Digits(batch_size=64, image_size=32).split("test").batches(50))).x
    error = (generator.reconstruct(x) - x).square().mean()
    assert error < (x - x.mean(0)).square().mean() / 5


def test_a_misspelt_name_lists_what_there_is():
    with pytest.raises(
        UserError, match=r"zoo/digts: .*Did you mean zoo/digits\? There are zoo/digits, zoo/encoder, zoo"
    ):
        load_generator("zoo/digts")
    with pytest.raises(UserError, match="There are zoo/digits"):
        described("zoo/other")


def test_a_folder_of_ones_own_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_generator(model(), SPEC, "zoo/digits")
    assert torch.equal(load_generator("zoo/digits").sample(2), model().sample(2))
    with pytest.raises(UserError, match="There are"):
        load_generator("zoo/mine")


def test_it_is_found_without_torch():
    code = "import sys; from lightning_gans import zoo; print(zoo.names(), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['zoo/digits', 'zoo/encoder', 'zoo/ring'] False\n"


def test_torch_safetensors_and_pyyaml_are_enough():
    """Every other package is refused in that process, and its samples are the same, bit by bit."""
    done = subprocess.run(
        [sys.executable, lean.__file__, "zoo/digits"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    assert done.stdout.splitlines() == [lean.digest(load_generator("zoo/digits")), "[]"], done.stderr


def test_the_refusal_is_of_everything_else():
    refused = lean.others()
    assert {
        "numpy",
        "PIL",
        "pytorch_lightning",
        "torchvision",
        "annotated_types",
        "hydra",
        "sklearn",
        "rich",
    } <= refused
    assert not {"torch", "safetensors", "yaml", "lightning_gans", "sympy"} & refused
