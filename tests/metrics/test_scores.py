import pytest
import torch
from torch import Tensor

from lightning_gans.metrics.frechet import FeatureStatistics, frechet_distance
from lightning_gans.metrics.inception import inception_score
from lightning_gans.metrics.kernel import kernel_distance
from lightning_gans.metrics.scores import Reference, distribution_scores


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_scores_are_those_of_the_functions() -> None:
    real, fake = normal(300, 8), normal(200, 8, seed=1) + 0.3
    probabilities = normal(200, 5, seed=2).softmax(1)
    scores = distribution_scores(Reference.of(real), fake, probabilities)
    kid = kernel_distance(real, fake)
    score = inception_score(probabilities)
    assert scores == {
        "fid": frechet_distance(FeatureStatistics.of(real), FeatureStatistics.of(fake)),
        "kid": kid.mean,
        "kid_std": kid.std,
        "is": score.mean,
        "is_std": score.std,
    }
    assert scores["fid"] == pytest.approx(8 * 0.09, rel=0.5)
    assert set(distribution_scores(Reference.of(real), fake)) == {"fid", "kid", "kid_std"}


def test_scores_do_not_depend_on_how_features_arrived() -> None:
    real, fake = Reference.of(normal(300, 8)), normal(6000, 8, seed=1)
    joined = torch.cat([part.clone() for part in fake.split(37)])
    assert distribution_scores(real, fake) == distribution_scores(real, joined)
