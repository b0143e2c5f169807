import pytest
import torch

from datamodules import Digits, DigitsSemi, VisionSemi
from lightning_gans.core.errors import UserError


def counts(data, seed=0):
    labels = data.whole.sources["train"].labels
    return torch.bincount(labels[data.labelled(seed)], minlength=10)


@pytest.mark.parametrize("labels, least", [(10, 1), (50, 5), (57, 5), (1000, 100)])
def test_every_class_keeps_as_many_labels(labels, least):
    found = counts(DigitsSemi(labels=labels, image_size=8))
    assert found.sum() == labels
    assert found.min() == least
    assert found.max() == least + (labels % 10 > 0)


def test_which_ones_follows_from_the_run_or_from_a_seed_of_their_own():
    free, fixed = DigitsSemi(image_size=8), DigitsSemi(image_size=8, label_seed=1)
    assert torch.equal(free.labelled(1), fixed.labelled(5))
    assert not torch.equal(free.labelled(1), free.labelled(2))
    assert torch.equal(fixed.labelled(1), fixed.labelled(2))
    assert len(free.labelled(1).unique()) == 50


def test_batches_have_few_labelled_samples_and_all_of_them_unlabelled():
    data, plain = DigitsSemi(batch_size=25, unlabelled_batches=3, image_size=8), Digits(image_size=8)
    batches = list(data.iteration_batches(0, 40, seed=3))
    assert {tuple(map(len, batch)) for batch in batches} == {(25, 25, 75, 75)}
    everything = next(plain.split("train").batches(2000))
    rows = data.labelled(3)
    known = {x.numpy().tobytes(): y for x, y in zip(everything.x[rows], everything.label[rows].tolist(), strict=True)}
    for batch in batches:
        assert [known[x.numpy().tobytes()] for x in batch.x] == batch.label.tolist()
    labelled = torch.cat([b.x for b in batches[:4]])
    assert len(labelled[:50].flatten(1).unique(dim=0)) == 50  # each once, then each again
    assert len(labelled.flatten(1).unique(dim=0)) == 50
    unlabelled = torch.cat([b.unlabelled for b in batches]).flatten(1)
    second = torch.cat([b.second for b in batches]).flatten(1)
    for draw in (unlabelled, second):
        assert len(draw.unique(dim=0)) == len(everything.x.flatten(1).unique(dim=0))
    shared = [(b.unlabelled.flatten(1)[:, None] == b.second.flatten(1)).all(2).any(1).sum().item() for b in batches]
    assert max(shared) < 20  # of 75: independent draws of 1,437 share four


def test_a_batch_follows_from_seed_and_iteration_on_any_number_of_processes():
    data = DigitsSemi(batch_size=8, unlabelled_batches=2, image_size=8)
    (whole,) = data.iteration_batches(7, 8, seed=3)
    parts = [next(data.iteration_batches(7, 8, seed=3, rank=rank, world=2)) for rank in (0, 1)]
    for column, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(column, torch.cat(pieces))


def test_what_is_evaluated_is_the_whole_sets():
    semi, plain = DigitsSemi(image_size=8), Digits(image_size=8)
    assert torch.equal(semi.split("test").labels, plain.split("test").labels)
    assert len(semi.split("train")) == 1437
    assert semi.fingerprint == plain.fingerprint


def test_all_of_them():
    assert len(DigitsSemi(labels=None, image_size=8).labelled()) == 1437


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"labels": 9}, r"data\.labels=9 is fewer than the 10 classes.* Say data\.labels=50"),
        ({"labels": 1438}, r"data\.labels=1438: the training split has 1,437 images.* data\.labels=null"),
        ({"labels": 1430}, r"asks for up to 143 labelled images of each class, and class \d has 1[0-4]\d"),
        ({"labels": 2.5}, r"data\.labels=2\.5 does not fit"),
        ({"unlabelled_batches": 0}, r"data\.unlabelled_batches=0 does not fit"),
        ({"label_seed": -1}, r"data\.label_seed=-1 does not fit"),
    ],
)
def test_labels_that_there_are_not_are_refused_before_training(settings, message):
    with pytest.raises(UserError, match=message):
        DigitsSemi(image_size=8, **settings).setup()


def test_a_set_without_classes_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data\.name=celeba: these images have no classes"):
        VisionSemi(name="celeba", root=str(tmp_path), download=False)


def test_a_missing_set_is_refused(tmp_path):
    with pytest.raises(UserError, match="mnist"):
        VisionSemi(name="mnist", root=str(tmp_path), download=False, channels=1, image_size=28).setup()
