import pytest
import torch
from torch import Tensor

from lightning_gans.metrics.frechet import FeatureStatistics, fid
from lightning_gans.metrics.inception import inception_score
from lightning_gans.metrics.kernel import kernel_distance
from lightning_gans.metrics.neighbours import neighbour_measures
from lightning_gans.metrics.scores import Reference, distribution_scores


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_scores_are_those_of_the_functions() -> None:
    real, fake = normal(300, 8), normal(200, 8, seed=1) + 0.3
    probabilities = normal(200, 5, seed=2).softmax(1)
    reference = Reference.of(real)
    scores = distribution_scores(reference, fake, probabilities)
    kid, score = kernel_distance(real, fake), inception_score(probabilities)
    assert scores == {
        "fid": fid(FeatureStatistics.of(real), fake),
        "kid": (kid.mean, kid.error),
        "kid_std": kid.std,
        "is": (score.mean, score.error),
        "is_std": score.std,
        **neighbour_measures(reference.manifold(200), fake)._asdict(),
    }
    assert scores["fid"].value == pytest.approx(8 * 0.09, rel=0.5)  # type: ignore[union-attr]
    assert {"is", "is_std"}.isdisjoint(distribution_scores(reference, fake))


def test_scores_depend_on_the_samples_and_not_on_their_order() -> None:
    reference = Reference.of(normal(1500, 8))
    fake, probabilities = normal(1200, 8, seed=1), normal(1200, 5, seed=2).softmax(1)
    order = torch.randperm(1200, generator=torch.Generator().manual_seed(3))
    found = distribution_scores(reference, fake, probabilities)
    again = distribution_scores(Reference.of(normal(1500, 8).flip(0)), fake[order], probabilities[order])
    for name, value in found.items():
        assert again[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


def test_of_statistics_alone_the_frechet_distance_is_left() -> None:
    statistics = FeatureStatistics.of(normal(300, 8))
    assert set(distribution_scores(Reference(statistics, torch.empty(0, 8)), normal(100, 8, seed=1))) == {"fid"}


def test_few_samples_have_no_neighbours_and_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"fewer samples \(5\) than features \(8\) is biased"):
        found = distribution_scores(Reference.of(normal(300, 8)), normal(5, 8, seed=1))
    assert set(found) == {"fid", "kid", "kid_std"}


def test_scores_do_not_depend_on_how_features_arrived() -> None:
    real, fake = Reference.of(normal(300, 8)), normal(6000, 8, seed=1)
    joined = torch.cat([part.clone() for part in fake.split(37)])
    assert distribution_scores(real, fake) == distribution_scores(real, joined)
