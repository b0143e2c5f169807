import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from lightning_gans.core.errors import UserError
from lightning_gans.extractors.classifier import ClassifierExtractor, fit_or_load
from lightning_gans.extractors.training import Recipe, hold
from tests.helpers.labelled_digits import FakeData

pytestmark = pytest.mark.filterwarnings("ignore:The classifier that gives")

QUICK = Recipe(least=256, most=256)
SHORT = Recipe(least=6_000, most=6_000)


def record_of(cache: Path) -> dict[str, object]:
    (path,) = (cache / "extractors").glob("*.json")
    return json.loads(path.read_text())


def test_the_recipe_learns_digits(data: FakeData, tmp_path: Path) -> None:
    done: list[float] = []
    extractor = fit_or_load(data, tmp_path, recipe=SHORT, progress=done.append)
    assert extractor.accuracy is not None
    assert 0.97 <= extractor.accuracy <= 1
    assert done == sorted(done)
    assert done[-1] == 1
    validation = data.split("validation")
    features, probabilities = extractor(validation.x)
    assert features.shape == (360, extractor.feature_dim) == (360, 64)
    assert features.dtype == probabilities.dtype == torch.float32
    assert (probabilities.argmax(1) == validation.labels).double().mean().item() == extractor.accuracy
    torch.testing.assert_close(probabilities.sum(1), torch.ones(360))
    assert (extractor.name, extractor.classes) == ("classifier(digits)", 10)
    assert record_of(tmp_path)["accuracy"] == extractor.accuracy
    # From the cache: no training, the same numbers.
    done.clear()
    again = fit_or_load(data, tmp_path, recipe=SHORT, progress=done.append)
    assert done == []
    assert (again.accuracy, again.fingerprint) == (extractor.accuracy, extractor.fingerprint)
    assert torch.equal(again(validation.x).features, features)


def test_training_is_deterministic_and_leaves_the_random_state_alone(data: FakeData, tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = fit_or_load(data, tmp_path / "a", recipe=QUICK)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    with torch.inference_mode():  # as in a validation hook
        second = fit_or_load(data, tmp_path / "b", recipe=QUICK)
    assert first.fingerprint == second.fingerprint


def test_what_the_cache_is_named_by(data: FakeData, tmp_path: Path) -> None:
    prints = {fit_or_load(data, tmp_path, recipe=QUICK).fingerprint}
    prints.add(fit_or_load(data, tmp_path, recipe=replace(QUICK, version=2)).fingerprint)
    data.fingerprint = "other"
    prints.add(fit_or_load(data, tmp_path, recipe=QUICK).fingerprint)
    assert len(prints) == len(list((tmp_path / "extractors").glob("*.safetensors"))) == 3


def test_a_cut_file_is_trained_again(data: FakeData, tmp_path: Path) -> None:
    first = fit_or_load(data, tmp_path, recipe=QUICK)
    (path,) = (tmp_path / "extractors").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:1000])
    assert fit_or_load(data, tmp_path, recipe=QUICK).fingerprint == first.fingerprint


def test_a_poor_classifier_is_kept_with_a_warning(data: FakeData, tmp_path: Path) -> None:
    train = data.split("train")
    train.labels = train.labels[torch.randperm(len(train), generator=torch.Generator().manual_seed(0))]
    for _ in range(2):  # trained, and from the cache
        with pytest.warns(UserWarning, match=r"digits its features is right on .*% of held-out .* metrics=inception"):
            extractor = fit_or_load(data, tmp_path, recipe=QUICK)
    assert extractor.accuracy is not None
    assert extractor.accuracy < 0.5


def test_without_held_out_images_the_accuracy_is_unknown(data: FakeData, tmp_path: Path) -> None:
    data.splits["validation"].x = data.splits["validation"].x[:0]
    assert fit_or_load(data, tmp_path, recipe=QUICK).accuracy is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": None}, r"digits has no labels. Say metrics=pixels .* or metrics=inception"),
        ({"classes": ("all",)}, r"digits has 1 class\(es\) and 1437 training image\(s\). Say metrics=pixels"),
        ({"sample_shape": (2,)}, r"needs images, and digits gives samples of shape \(2,\).* metrics=none"),
    ],
)
def test_data_that_do_not_fit(data: FakeData, tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_or_load(replace(data, **change), tmp_path)


def test_unlabelled_images(data: FakeData, tmp_path: Path) -> None:
    data.splits["train"].labels = None
    with pytest.raises(UserError, match="digits has no labels"):
        fit_or_load(data, tmp_path)


def test_it_is_no_part_of_a_module_that_holds_it(data: FakeData, tmp_path: Path) -> None:
    module = nn.Module()
    module.extractor = fit_or_load(data, tmp_path, recipe=QUICK)
    assert isinstance(module.extractor, ClassifierExtractor)
    assert not list(module.parameters())
    assert not module.state_dict()
    assert not list(module.modules())[1:]
    assert not any(parameter.requires_grad for parameter in module.extractor.network.parameters())
    assert not module.extractor.network.training


def test_a_large_set_is_held_in_part(data: FakeData) -> None:
    train = data.split("train")
    x, labels = hold(train, Recipe())
    assert x.dtype == torch.uint8
    assert torch.equal(x.float() / 127.5 - 1, train.x)
    assert torch.equal(labels, train.labels)
    part, part_labels = hold(train, Recipe(held_bytes=200 * 64))
    assert len(part) == len(part_labels) == 200
    places = [int((x == image).flatten(1).all(1).nonzero()[0]) for image in part]
    assert places == sorted(places)
    assert min(places) < 100
    assert max(places) > 1337
    assert torch.equal(labels[places], part_labels)


def test_steps() -> None:
    assert Recipe().steps(1437) == 94
    assert Recipe().steps(60_000) == 938
    assert Recipe().steps(10**6) == 1562
    assert QUICK.steps(10) == 26


@pytest.mark.slow
@pytest.mark.parametrize("image_size", [8, 16, 32, 64])
def test_the_whole_recipe(data: FakeData, tmp_path: Path, image_size: int) -> None:
    data.sample_shape = (1, image_size, image_size)
    for split in data.splits.values():
        split.x = nn.functional.interpolate(split.x, size=image_size, mode="bicubic").clamp(-1, 1)
    accuracy = fit_or_load(data, tmp_path).accuracy
    assert accuracy is not None
    assert accuracy >= 0.97
