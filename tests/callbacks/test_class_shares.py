from types import SimpleNamespace

import torch
from PIL import Image

from datamodules import Digits
from lightning_gans.callbacks import class_shares
from lightning_gans.callbacks.class_shares import ClassShares
from lightning_gans.callbacks.pictures import PICTURES
from lightning_gans.core.events import EvaluationListener, Evidence
from lightning_gans.reporting.charts import class_figure


def evaluated(folder, probabilities, data, *, main=True, iteration=4):
    trainer = SimpleNamespace(is_global_zero=main, datamodule=data, default_root_dir=str(folder), loggers=[])
    ClassShares(every=2).on_evaluation(
        trainer, SimpleNamespace(iteration=iteration), Evidence({}, probabilities=probabilities)
    )
    return folder / "samples" / "classes.png"


DIGITS = Digits(image_size=8)
EVEN = torch.eye(10).repeat(3, 1)


def test_an_evaluation_draws_the_classes(tmp_path):
    path = evaluated(tmp_path, EVEN, DIGITS)
    with Image.open(path) as picture:
        assert picture.width >= 500
    before = path.read_bytes()
    evaluated(tmp_path, EVEN[:1].repeat(30, 1), DIGITS)
    assert path.read_bytes() != before


def test_shares_are_of_the_likeliest_class_and_of_the_training_labels(tmp_path, monkeypatch):
    drawn = {}

    def figure(generated, real, names, *, title):
        drawn.update(generated=generated, real=real, names=names, title=title)
        return class_figure(generated, real, names, title=title)

    monkeypatch.setattr(class_shares, "class_figure", figure)
    evaluated(tmp_path, torch.eye(10)[[0, 0, 7]], DIGITS)
    assert drawn["generated"].tolist() == [2, 0, 0, 0, 0, 0, 0, 1, 0, 0]
    assert drawn["real"].sum() == len(DIGITS.split("train"))
    assert (drawn["names"], drawn["title"]) == (tuple("0123456789"), "iteration 4")


def test_nothing_is_drawn_where_classes_are_not_known(tmp_path):
    assert not evaluated(tmp_path, None, DIGITS).exists()
    assert not evaluated(tmp_path, EVEN[:, :7], DIGITS).exists()  # of a classifier of other classes
    assert not evaluated(tmp_path, EVEN, None).exists()
    assert not evaluated(tmp_path, EVEN, DIGITS, main=False).exists()


def test_many_classes_are_drawn_without_names():
    counts = torch.ones(200, dtype=torch.int64)
    assert class_figure(counts, counts, [f"class {i}" for i in range(200)]).width <= 1400


def test_the_picture_is_registered_and_told_of_evaluations():
    assert ClassShares in PICTURES.shipped()
    assert isinstance(ClassShares(every=1), EvaluationListener)
