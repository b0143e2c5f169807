"""A labelled source beside an unlabelled target."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules import Digits, DigitsTextured, Domains, EmbeddedDomains
from lightning_gans.core.batches import DomainBatch
from lightning_gans.core.errors import UserError


def pair(**settings):
    return EmbeddedDomains(**{"batch_size": 16, "image_size": 8, "channels": 1} | settings)


def test_half_of_a_batch_is_of_each_domain():
    data = pair(target="digits_textured")
    (batch,) = data.iteration_batches(3, 4, seed=1)
    assert isinstance(batch, DomainBatch)
    assert [len(column) for column in batch] == [8, 8, 8]
    for x, kind in ((batch.x, Digits), (batch.target, DigitsTextured)):
        (everything,) = kind(image_size=8, channels=1).split("train").batches(2000)
        found = (x[:, None] == everything.x[None]).flatten(2).all(2)
        assert found.any(1).all()
        if kind is Digits:
            assert torch.equal(everything.label[found.int().argmax(1)], batch.label)


def test_batches_are_a_function_of_seed_and_iteration_and_shared_by_processes():
    (whole,) = pair().iteration_batches(7, 8, seed=2)
    ranks = [next(pair().iteration_batches(7, 8, seed=2, rank=rank, world=2)) for rank in (0, 1)]
    assert all(torch.equal(torch.cat(columns), all_) for *columns, all_ in zip(*ranks, whole, strict=True))
    (other,) = pair().iteration_batches(7, 8, seed=3)
    assert not torch.equal(other.x, whole.x)


def test_the_same_set_twice_gives_two_draws():
    (batch,) = pair(target="digits").iteration_batches(0, 1)
    assert not torch.equal(batch.x, batch.target)


def test_the_mean_is_that_of_both_domains():
    data = pair(target="digits_textured", channels=3)
    x = torch.cat([next(part.split("train").batches(2000)).x for part in data.parts.values()])
    assert data.mean.shape == (3, 1, 1)
    assert torch.allclose(data.mean, x.mean((0, 2, 3))[:, None, None], atol=1e-6)


def test_splits_are_those_of_the_parts():
    data = pair()
    assert data.classes == tuple("0123456789")
    assert len(data.split("test")) == len(data.parts["target"].split("test")) == 180
    assert data.fingerprint != pair(target="digits").fingerprint


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"batch_size": 15}, r"data\.batch_size=15: half of it .* Say data\.batch_size=16"),
        ({"target": "nowhere"}, r"data\.target=nowhere is neither a folder nor a set of images"),
        ({"source": "ring"}, r"data\.source=ring: that are no images"),
        ({"target": " "}, r"data\.target=' ' does not fit"),
    ],
)
def test_what_is_no_pair_is_refused(settings, said):
    with pytest.raises(UserError, match=said):
        pair(**settings).setup()


def test_a_batch_that_processes_cannot_share_is_refused():
    with pytest.raises(UserError, match=r"half of it of each domain, and cannot .* over 3 of them. Say .*=12"):
        pair().iteration_batches(0, 1, world=3)


def pictures(folder, count):
    folder.mkdir(parents=True)
    for i in range(count):
        Image.fromarray(np.full((8, 8), 20 * i, dtype=np.uint8)).save(folder / f"{i}.png")


def test_a_folder_without_classes_is_a_target_and_no_source(tmp_path):
    pictures(tmp_path / "flat", 12)
    data = pair(target=str(tmp_path / "flat"))
    data.setup()
    assert next(data.iteration_batches(0, 1)).target.shape == (8, 1, 8, 8)
    assert data.parts["source"].classes == tuple("0123456789")
    with pytest.raises(UserError, match=r"data\.source=.*flat has no labels"):
        pair(source=str(tmp_path / "flat")).setup()


def test_a_folder_may_be_called_as_a_set_is(tmp_path, monkeypatch):
    pictures(tmp_path / "digits", 12)
    monkeypatch.chdir(tmp_path)
    assert pair(target="./digits").parts["target"].classes is None


def test_a_target_of_other_classes_is_said_to_go_unmeasured(tmp_path):
    for name in "ab":
        pictures(tmp_path / "two" / name, 12)
    with pytest.warns(UserWarning, match="2 classes and the source 10: accuracy on the target is not measured"):
        pair(target=str(tmp_path / "two")).setup()


def test_real_sets_by_name(tmp_path):
    data = Domains(source="svhn", target="mnist", data_dir=str(tmp_path), download=False, channels=3)
    assert [part.name for part in data.parts.values()] == ["svhn", "mnist"]
    assert data.first.batch_size == 64
    with pytest.raises(UserError, match="svhn"):
        data.setup()
    with pytest.raises(UserError, match=r"data\.photos=null"):
        _ = Domains(target="mnistm", data_dir=str(tmp_path), image_size=28).parts["target"].fingerprint
