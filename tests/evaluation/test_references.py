from pathlib import Path

import pytest
import torch
from torch import Tensor

from lightning_gans.evaluation import references
from lightning_gans.evaluation.references import class_reference, known_floor, reference_statistics
from lightning_gans.extractors.base import Features
from lightning_gans.extractors.coordinates import CoordinateExtractor
from lightning_gans.metrics.frechet import FeatureStatistics, frechet_distance
from lightning_gans.metrics.scores import distribution_scores
from tests.helpers.labelled_digits import FakeData, FakeSplit


class Counting(CoordinateExtractor):
    seen = 0

    def __call__(self, x: Tensor) -> Features:
        self.seen += len(x)
        return super().__call__(x)


@pytest.fixture
def points() -> FakeSplit:
    x = torch.randn(1000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 3.0]) + 5
    return FakeSplit(x, None)


def test_statistics_are_those_of_all_samples_and_computed_once(points: FakeSplit, tmp_path: Path) -> None:
    extractor, done = Counting(3), []
    found = [reference_statistics(extractor, points, tmp_path, "k", progress=done.append) for _ in range(2)]
    assert extractor.seen == 1000
    assert done[-1] == 1
    expected = FeatureStatistics.of(points.x)
    for real in found:
        assert torch.equal(real.features, points.x)
        assert real.statistics.n == 1000
        torch.testing.assert_close(real.statistics.cov, expected.cov, rtol=1e-12, atol=1e-12)
        assert frechet_distance(real.statistics, expected) == pytest.approx(0, abs=1e-12)
    fake = points.x + 1
    assert distribution_scores(found[0], fake) == distribution_scores(found[1], fake)


def test_files_are_named_by_extractor_and_key(points: FakeSplit, tmp_path: Path) -> None:
    extractor = Counting(3)
    reference_statistics(extractor, points, tmp_path, "a")
    reference_statistics(extractor, points, tmp_path, "b")
    extractor.fingerprint = "other"
    reference_statistics(extractor, points, tmp_path, "a")
    assert extractor.seen == 3000


def test_a_damaged_file_is_computed_again(points: FakeSplit, tmp_path: Path) -> None:
    extractor = Counting(3)
    reference_statistics(extractor, points, tmp_path, "k")
    (path,) = (tmp_path / "references").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    assert reference_statistics(extractor, points, tmp_path, "k").statistics.n == 1000
    assert extractor.seen == 2000


def test_features_are_kept_in_part(points: FakeSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "FEATURES_KEPT", 100)
    real = reference_statistics(CoordinateExtractor(3), points, tmp_path, "k")
    assert real.statistics.n == 1000
    assert real.features.shape == (100, 3)
    places = [int((points.x == row).all(1).nonzero()[0]) for row in real.features]
    assert places == sorted(set(places))
    assert min(places) < 200
    assert max(places) > 800


def test_an_empty_split(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has none"):
        reference_statistics(CoordinateExtractor(3), FakeSplit(torch.zeros(0, 3), None), tmp_path, "k")


class Flat(Counting):
    """The first three pixels of an image."""

    def __call__(self, x: Tensor) -> Features:
        return super().__call__(x.flatten(1)[:, 20:23])


@pytest.fixture
def labelled(data: FakeData) -> FakeData:
    data.splits["test"] = data.splits["validation"]
    return data


def test_classes_are_measured_apart_and_once(
    labelled: FakeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "_ROWS", 50)  # so that classes come in parts
    extractor, done = Flat(3), []
    train = labelled.split("train")
    assert train.labels is not None
    for _ in range(2):
        found = class_reference(extractor, labelled, tmp_path, progress=done.append)
        assert found is not None
        assert [statistics.n for statistics in found.statistics] == torch.bincount(train.labels).tolist()
        for c, statistics in enumerate(found.statistics):
            expected = FeatureStatistics.of(train.x.flatten(1)[train.labels == c, 20:23])
            torch.testing.assert_close(statistics.mean, expected.mean, rtol=1e-12, atol=1e-12)
            torch.testing.assert_close(statistics.cov, expected.cov, rtol=1e-12, atol=1e-12)
    assert extractor.seen == 1437
    assert done[-1] == 1


def test_held_out_labels_are_those_of_the_features_that_are_kept(
    labelled: FakeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "FEATURES_KEPT", 100)
    found = class_reference(Flat(3), labelled, tmp_path)
    assert found is not None
    split = labelled.split("validation")
    assert split.labels is not None
    labels_as_images = FakeSplit(split.labels.float()[:, None].expand(-1, 3), None)
    kept = reference_statistics(CoordinateExtractor(3), labels_as_images, tmp_path, "labels").features[:, 0].long()
    assert torch.equal(found.held_out["validation"], kept)


def test_data_without_labels_or_with_too_many_numbers_have_no_classes(
    labelled: FakeData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(references, "CLASSES_BYTES", 10 * 3 * 3 * 8 - 1)
    assert class_reference(Flat(3), labelled, tmp_path) is None
    monkeypatch.undo()
    labelled.classes = None
    assert class_reference(Flat(3), labelled, tmp_path) is None


def test_a_floor_is_computed_once_for_each_key(tmp_path: Path) -> None:
    computed = []

    def compute() -> dict[str, float]:
        computed.append(1)
        return {"fid": 0.1 + 0.2, "fid_se": float("nan"), "modes": 8.0}

    found = [known_floor(tmp_path, ("extractor", "data", 180), compute) for _ in range(2)]
    assert len(computed) == 1
    assert found[0]["fid"] == found[1]["fid"] == 0.1 + 0.2
    assert found[1].keys() == {"fid", "fid_se", "modes"}
    known_floor(tmp_path, ("extractor", "data", 360), compute)
    assert len(computed) == 2
