"""The study of generated images as training data: shares of the labels, the early generator, and the page."""

import json
from types import SimpleNamespace

import pytest
import torch

from datamodules import Digits
from experiments.jobs.preflight import preflight
from experiments.studies import augmentation
from experiments.studies.early import FOLDER, EarlyGenerator
from experiments.studies.labelled_share import LabelledDigits
from lightning_gans import load_generator
from lightning_gans.callbacks.checkpoints import Checkpoints
from lightning_gans.core.errors import UserError
from lightning_gans.extractors.base import Features
from lightning_gans.models import build
from tests.helpers import received


def rows(data):
    return {image.numpy().tobytes() for image in data.sources["train"].x}


def test_a_share_keeps_images_of_every_class():
    few, more, all_of_them = (LabelledDigits(image_size=8, share=share) for share in (0.01, 0.1, 1.0))
    assert torch.bincount(few.split("train").labels, minlength=10).min() >= 1
    assert [len(data.split("train")) for data in (few, more, all_of_them)] == [12, 142, 1437]
    assert rows(few) < rows(more) < rows(all_of_them) == rows(Digits(image_size=8))
    assert rows(LabelledDigits(image_size=8, share=0.01, share_seed=1)) != rows(few)
    x = [next(data.split("test").batches(180)).x for data in (few, Digits(image_size=8))]
    assert torch.equal(*x)
    assert len({data.fingerprint for data in (few, more, all_of_them, Digits(image_size=8))}) == 4


def test_each_seed_has_a_share_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = preflight(["experiment=study/augmentation", "seed=1,2"])
    assert [(job.config["data"]["share"], job.config["data"]["share_seed"]) for job in jobs] == [
        *((0.01, 1), (0.01, 2), (0.1, 1), (0.1, 2), (1.0, 1), (1.0, 2))
    ]
    assert len({job.run_dir for job in jobs}) == 6


def test_the_early_generator_is_exported_once(tmp_path):
    model = build(received.CONDITIONAL).eval()
    game = SimpleNamespace(iteration=4, evaluated_model=lambda: model)
    checkpoints = Checkpoints(every=1, minutes=1.0, spec=received.CONDITIONAL)
    trainer = SimpleNamespace(is_global_zero=True, callbacks=[checkpoints], default_root_dir=tmp_path)
    callback = EarlyGenerator(iteration=5)
    callback.on_train_batch_end(trainer, game)
    assert not (tmp_path / FOLDER).exists()
    game.iteration = 5
    callback.on_train_batch_end(trainer, game)
    again = load_generator(tmp_path / FOLDER)
    assert torch.equal(again.sample(2, label=3), model.sample(2, label=3))


def seen(folder, share, seed):
    """A run of the study of which nothing was trained."""
    run = folder / f"{share}-{seed}"
    run.mkdir()
    received.conditional_run(run)
    (run / "generator").rename(run / FOLDER)
    received.conditional_run(run)
    target = f"{LabelledDigits.__module__}.{LabelledDigits.__name__}"
    data = {"_target_": target, "batch_size": 8, "image_size": 8, "channels": 1, "share": share, "share_seed": seed}
    received.rewrite(run / "config.yaml", {"data": None})
    received.config(run, data=data, seed=seed, names={"variant": "acgan"})
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"seconds": 3.0}))
    return run


class Guesses:
    """Features of four pixels; every image is of class 0."""

    name = "guesses"

    def __call__(self, x):
        return Features(x.flatten(1)[:, 10:50:10], torch.eye(10)[:1].expand(len(x), -1))


@pytest.fixture
def quick(monkeypatch):
    """Classifiers whose accuracy is 0.5, more with generated images, and less with few labelled ones."""
    trained = []

    def accuracy(training, test, *, classes, seed):
        trained.append((len(training[0]), seed))
        return 0.5 + 0.1 * seed * (len(training[0]) > 1437)

    monkeypatch.setattr(augmentation, "accuracy", accuracy)
    monkeypatch.setattr(augmentation, "classifier", lambda *_, **__: Guesses())
    return trained


def test_the_page(tmp_path, quick):
    augmentation.report([seen(tmp_path, 1.0, 1), seen(tmp_path, 1.0, 2), seen(tmp_path, 0.01, 1)], tmp_path)
    page = (tmp_path / "augmentation.md").read_text()
    assert "study/augmentation iterations=4 seed=1,2\n" in page
    assert quick[:5] == [(1437, 1), (2880, 1), (2880, 1), (1440, 1), (1440, 1)]
    whole = next(line for line in page.splitlines() if line.startswith("| 100% | 1437 | 2 |"))
    assert whole.split(" | ")[3:5] == ["50.0 ± 3.7", "65.0 ± 6.1"]  # hypot of 0.5 / sqrt(180) and of the seeds' 0.05
    assert whole.endswith("| +15.0 ± 5.0 | +15.0 ± 5.0 |")
    assert "| 1% | 12 | 1 | 50.0 ± 3.7 |" in page
    assert "| 100% | bad | 4 |" in page
    assert "10 |" in page  # a tenth of the generated digits are zeros
    assert (tmp_path / "augmentation.png").read_bytes().startswith(b"\x89PNG")


def test_other_runs_are_refused(tmp_path, quick):
    run = tmp_path / "run"
    run.mkdir()
    received.conditional_run(run)
    with pytest.raises(UserError, match=r"no run of this study.* -m experiment=study/augmentation"):
        augmentation.report([run], tmp_path)
